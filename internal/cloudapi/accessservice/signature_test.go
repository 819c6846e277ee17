package accessservice_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// accessKey is a static access key as its owner holds it.
type accessKey struct{ id, keyID, secret string }

// accessKey makes a static access key of an account over REST.
func (w *world) accessKey(t testing.TB, account string) accessKey {
	t.Helper()
	var made struct {
		AccessKey struct{ ID, KeyID string }
		Secret    string
	}
	r := w.Do(t, "POST", w.adminToken, "/iam/aws-compatibility/v1/accessKeys", map[string]string{"serviceAccountId": account})
	if r.Decode(t, &made); r.Code != 200 {
		t.Fatalf("access key: %d %s", r.Code, r.Body)
	}
	return accessKey{made.AccessKey.ID, made.AccessKey.KeyID, made.Secret}
}

const badSignature = "The signature is not valid: the access key is unknown or has been deleted, or did not make it"

// sign is what a service shows of a request that the key signed, version 4.
func (k accessKey) sign(at time.Time) *pb.AccessKeySignature {
	const region, service = "ru-central1", "s3"
	day := at.UTC().Format("20060102")
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%x", at.UTC().Format("20060102T150405Z"), day, region, service, sha256.Sum256([]byte("a request")))
	key := []byte("AWS4" + k.secret)
	for _, part := range []string{day, region, service, "aws4_request", text} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return &pb.AccessKeySignature{AccessKeyId: k.keyID, StringToSign: text, Signature: hex.EncodeToString(key),
		Parameters: &pb.AccessKeySignature_V4Parameters{V4Parameters: &pb.AccessKeySignature_Version4Parameters{
			SignedAt: timestamppb.New(at), Service: service, Region: region}}}
}

// signV2 is sign for version 2.
func (k accessKey) signV2(at time.Time, method pb.AccessKeySignature_Version2Parameters_SignatureMethod) *pb.AccessKeySignature {
	text := "GET\n\n\n" + at.UTC().Format(time.RFC1123Z) + "\n/bucket/object"
	of := sha1.New
	if method == pb.AccessKeySignature_Version2Parameters_HMAC_SHA256 {
		of = sha256.New
	}
	h := hmac.New(of, []byte(k.secret))
	h.Write([]byte(text))
	return &pb.AccessKeySignature{AccessKeyId: k.keyID, StringToSign: text, Signature: base64.StdEncoding.EncodeToString(h.Sum(nil)),
		Parameters: &pb.AccessKeySignature_V2Parameters{V2Parameters: &pb.AccessKeySignature_Version2Parameters{SignatureMethod: method}}}
}

func authenticateSignature(s *pb.AccessKeySignature) *pb.AuthenticateRequest {
	return &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_Signature{Signature: s}}
}

// authenticate asks both packages whose a signature is, and expects one answer.
func (w *world) authenticateSignature(t *testing.T, what string, s *pb.AccessKeySignature, code codes.Code, text string) {
	t.Helper()
	for _, pkg := range []string{v1, v2} {
		out := &pb.AuthenticateResponse{}
		err := call(t, w.conn, pkg+"Authenticate", authenticateSignature(s), out)
		expect(t, pkg+what, err, code, text)
		if who := out.GetSubject().GetServiceAccount(); err == nil && (who.GetId() != w.ServiceAccountID || who.GetFolderId() != w.FolderID) {
			t.Errorf("%s%s: subject %v", pkg, what, out.GetSubject())
		}
	}
}

func TestSignatures(t *testing.T) {
	w := newWorld(t)
	k := w.accessKey(t, w.ServiceAccountID)
	now := time.Now()
	w.authenticateSignature(t, "version 4", k.sign(now), codes.OK, "")
	w.authenticateSignature(t, "version 4 again", k.sign(now), codes.OK, "")
	for _, method := range []pb.AccessKeySignature_Version2Parameters_SignatureMethod{
		pb.AccessKeySignature_Version2Parameters_HMAC_SHA1, pb.AccessKeySignature_Version2Parameters_HMAC_SHA256} {
		w.authenticateSignature(t, method.String(), k.signV2(now, method), codes.OK, "")
	}
	with := func(change func(s *pb.AccessKeySignature)) *pb.AccessKeySignature {
		s := k.sign(now)
		change(s)
		return s
	}
	other := w.accessKey(t, w.ServiceAccountID)
	for what, s := range map[string]*pb.AccessKeySignature{
		"unknown key":           with(func(s *pb.AccessKeySignature) { s.AccessKeyId = "YCunknown0000000000000000" }),
		"another key":           with(func(s *pb.AccessKeySignature) { s.AccessKeyId = other.keyID }),
		"the key's other id":    with(func(s *pb.AccessKeySignature) { s.AccessKeyId = k.id }),
		"the key's id in lower": with(func(s *pb.AccessKeySignature) { s.AccessKeyId = strings.ToLower(k.keyID) }),
		"upper case":            with(func(s *pb.AccessKeySignature) { s.Signature = strings.ToUpper(s.Signature) }),
		"truncated":             with(func(s *pb.AccessKeySignature) { s.Signature = s.Signature[:63] }),
		"empty":                 with(func(s *pb.AccessKeySignature) { s.Signature = "" }),
		"the secret":            with(func(s *pb.AccessKeySignature) { s.Signature = k.secret }),
		"another secret":        accessKey{keyID: k.keyID, secret: other.secret}.sign(now),
		"of version 2": func() *pb.AccessKeySignature {
			s := k.signV2(now, pb.AccessKeySignature_Version2Parameters_HMAC_SHA1)
			s.GetV2Parameters().SignatureMethod = pb.AccessKeySignature_Version2Parameters_HMAC_SHA256
			return s
		}(),
	} {
		w.authenticateSignature(t, what, s, codes.Unauthenticated, badSignature)
	}
	for what, c := range map[string]struct {
		s    *pb.AccessKeySignature
		code codes.Code
		text string
	}{
		"old":        {k.sign(now.Add(-16 * time.Minute)), codes.Unauthenticated, "The signature has expired: it is accepted for 15 minutes"},
		"too early":  {k.sign(now.Add(16 * time.Minute)), codes.Unauthenticated, "The signature is not valid yet: its time is more than 15 minutes ahead"},
		"no method":  {k.signV2(now, 0), codes.Unauthenticated, "The signature is of neither version 4 nor HMAC_SHA1 or HMAC_SHA256 of version 2"},
		"no version": {with(func(s *pb.AccessKeySignature) { s.Parameters = nil }), codes.Unauthenticated, "The signature is of neither version 4 nor HMAC_SHA1 or HMAC_SHA256 of version 2"},
		"another service": {with(func(s *pb.AccessKeySignature) { s.GetV4Parameters().Service = "sqs" }), codes.Unauthenticated,
			"The scope in the string to sign is not that of 'region' and 'service'"},
		"another time": {with(func(s *pb.AccessKeySignature) { s.GetV4Parameters().SignedAt = timestamppb.New(now.Add(time.Minute)) }), codes.Unauthenticated,
			"The time in the string to sign is not 'signed_at', or its scope has another date"},
		"a secret as the id": {with(func(s *pb.AccessKeySignature) { s.AccessKeyId = k.secret }), codes.Unauthenticated,
			"The access key ID is a static access key's secret: the id of a static access key is expected"},
		"no time": {with(func(s *pb.AccessKeySignature) { s.GetV4Parameters().SignedAt = nil }), codes.InvalidArgument, ""},
		"a long signature": {with(func(s *pb.AccessKeySignature) { s.Signature = strings.Repeat("a", 129) }), codes.InvalidArgument,
			"Validation failed:\n  - signature.signature: must be at most 128 characters long"},
		"a long id":      {with(func(s *pb.AccessKeySignature) { s.AccessKeyId = strings.Repeat("a", 51) }), codes.InvalidArgument, ""},
		"a long service": {with(func(s *pb.AccessKeySignature) { s.GetV4Parameters().Service = strings.Repeat("a", 65) }), codes.InvalidArgument, ""},
	} {
		w.authenticateSignature(t, what, c.s, c.code, c.text)
	}
}

func TestAuthorizeBySignature(t *testing.T) {
	w := newWorld(t)
	k := w.accessKey(t, w.ServiceAccountID)
	w.bind(t, w.FolderID, "ydb.viewer", w.robot())
	good, bad := k.sign(time.Now()), k.sign(time.Now())
	bad.Signature = strings.Repeat("0", 64)
	on := path(db, w.database, folder, w.FolderID)
	ask := func(s *pb.AccessKeySignature, permission string) *pb.AuthorizeRequest {
		return &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_Signature{Signature: s}, Permission: permission, ResourcePath: on}
	}
	for _, pkg := range []string{v1, v2} {
		out, err := w.authorize(t, pkg, ask(good, "ydb.tables.select"))
		if err != nil || out.GetSubject().GetServiceAccount().GetId() != w.ServiceAccountID {
			t.Errorf("%s: %v, %v", pkg, out, err)
		}
		_, err = w.authorize(t, pkg, ask(good, "ydb.databases.updateAccessBindings"))
		expect(t, pkg+"not held", err, codes.PermissionDenied, "Permission to ["+text(db, w.database, folder, w.FolderID)+"] denied")
		_, err = w.authorize(t, pkg, ask(bad, "ydb.tables.select"))
		expect(t, pkg+"bad", err, codes.Unauthenticated, badSignature)

		bulk := w.actions("ydb.tables.select", "ydb.clusters.get")
		bulk.Identity = &pb.BulkAuthorizeRequest_Signature{Signature: good}
		answers, err := w.bulk(t, pkg, bulk)
		if err != nil || len(answers.GetResults().GetItems()) != 2 || answers.GetSubject().GetServiceAccount().GetId() != w.ServiceAccountID {
			t.Errorf("%s: %v, %v", pkg, answers, err)
		}
		bulk.Identity = &pb.BulkAuthorizeRequest_Signature{Signature: bad}
		if answers, err = w.bulk(t, pkg, bulk); err != nil || answers.GetUnauthenticatedError().GetMessage() != badSignature || answers.GetSubject() != nil {
			t.Errorf("%s: %v, %v", pkg, answers, err)
		}
	}
}

// What ends a key, or stops its account, is in force with the answer; a bad
// signature learns nothing of it.
func TestSignaturesEnd(t *testing.T) {
	w := newWorld(t)
	k, kept := w.accessKey(t, w.ServiceAccountID), w.accessKey(t, w.ServiceAccountID)
	good := k.sign(time.Now())
	bad := accessKey{keyID: kept.keyID, secret: k.secret}.sign(time.Now())
	w.authenticateSignature(t, "before", good, codes.OK, "")
	if r := w.Do(t, "DELETE", w.adminToken, "/iam/aws-compatibility/v1/accessKeys/"+k.id, nil); r.Code != 200 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	w.authenticateSignature(t, "deleted", good, codes.Unauthenticated, badSignature)
	for _, c := range []struct{ verb, path, text string }{
		{"POST", ":suspend", "The service account " + w.ServiceAccountID + " is suspended"},
		{"POST", ":reactivate", ""},
		{"DELETE", "", badSignature}, // the keys go with it
	} {
		if r := w.Do(t, c.verb, w.adminToken, "/iam/v1/serviceAccounts/"+w.ServiceAccountID+c.path, nil); r.Code != 200 {
			t.Fatalf("%s: %d %s", c.path, r.Code, r.Body)
		}
		code := codes.Unauthenticated
		if c.text == "" {
			code = codes.OK
		}
		w.authenticateSignature(t, "after "+c.verb+c.path, kept.sign(time.Now()), code, c.text)
		w.authenticateSignature(t, "a bad one after "+c.verb+c.path, bad, codes.Unauthenticated, badSignature)
	}
}

// A secret that does not open is this server's failure, and no refusal.
func TestSecretThatDoesNotOpen(t *testing.T) {
	w := newWorld(t)
	broken := accessKey{"ajebroken00000000000", "YCbroken00000000000000000", "s"}
	w.update(t, func(tx *store.Tx) error {
		return store.InsertAccessKey(tx, &iam.AccessKey{ID: broken.id, ServiceAccountID: w.ServiceAccountID, KeyID: broken.keyID, CreatedAt: tx.Now()}, []byte("not sealed here"))
	})
	err := call(t, w.conn, v2+"Authenticate", authenticateSignature(broken.sign(time.Now())), &pb.AuthenticateResponse{})
	expect(t, "a row that does not open", err, codes.Internal, "")
	if strings.Contains(err.Error(), "seal") || strings.Contains(err.Error(), "not sealed here") {
		t.Errorf("an error tells of the inside: %v", err)
	}
}

// The clock is the server's.
func TestSignatureAgainstTheServersClock(t *testing.T) {
	var mu sync.Mutex
	var plus time.Duration
	w := newWorld(t, propusktest.WithClock(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(plus)
	}))
	k := w.accessKey(t, w.ServiceAccountID)
	s := k.sign(time.Now())
	mu.Lock()
	plus = 14 * time.Minute
	mu.Unlock()
	w.authenticateSignature(t, "14 minutes later", s, codes.OK, "")
	mu.Lock()
	plus = 15*time.Minute + 2*time.Second
	mu.Unlock()
	w.authenticateSignature(t, "15 minutes later", s, codes.Unauthenticated, "The signature has expired: it is accepted for 15 minutes")
}
