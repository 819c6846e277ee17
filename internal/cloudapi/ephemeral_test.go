package cloudapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func init() {
	services["ephemeral"] = "yandex.cloud.iam.v1.awscompatibility.TemporaryAccessKeyService"
	areaRows = append(areaRows, func(*world) []row {
		return []row{{"ephemeral.CreateEphemeral", "UNDD+++", func(t *testing.T, w *world, n int) proto.Message {
			return ephemeral(w.newAccount(t, fmt.Sprintf("ephemeral-%d", n)))
		}}}
	})
}

func ephemeral(subject string) *awspb.CreateEphemeralAccessKeyRequest {
	return &awspb.CreateEphemeralAccessKeyRequest{SubjectId: subject, SessionName: "backup"}
}

// heldKey is an access key with a session token, as its holder has it.
type heldKey struct {
	id, secret, token string
	expires           time.Time
}

// newEphemeral makes an ephemeral key and notes what nothing may show.
func (w *world) newEphemeral(t *testing.T, by *caller, r *awspb.CreateEphemeralAccessKeyRequest) heldKey {
	t.Helper()
	made := call(t, by, "ephemeral.CreateEphemeral", r, new(awspb.CreateEphemeralAccessKeyResponse))
	w.secret(made.GetSecret())
	w.secret(made.GetSessionToken())
	return heldKey{made.GetAccessKeyId(), made.GetSecret(), made.GetSessionToken(), made.GetExpiresAt().AsTime()}
}

// storage asks, as an object storage does, who signed a request with a key.
func (w *world) storageOf(t *testing.T, k heldKey) (*propuskpb.S3AuthorizeResponse, error) {
	t.Helper()
	conn, err := grpc.NewClient(w.Server.Server.AccessAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	at := time.Now()
	if w.clock != nil {
		at = w.clock.now()
	}
	return propuskpb.NewS3AuthServiceClient(conn).Authorize(t.Context(), &propuskpb.S3AuthorizeRequest{
		Proof:  &propuskpb.S3AuthorizeRequest_StringToSign{StringToSign: k.sign(at)},
		Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket/key",
		ResourcePath: []*propuskpb.ResourceRef{{Type: "resource-manager.folder", Id: w.home.FolderID}},
	})
}

func (k heldKey) sign(at time.Time) *propuskpb.SignedString {
	const region, service = "ru-central1", "s3"
	day := at.UTC().Format("20060102")
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%x", at.UTC().Format("20060102T150405Z"), day, region, service, sha256.Sum256([]byte("a request")))
	key := []byte("AWS4" + k.secret)
	for _, part := range []string{day, region, service, "aws4_request", text} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return &propuskpb.SignedString{AccessKeyId: k.id, StringToSign: text, Signature: hex.EncodeToString(key), SessionToken: k.token,
		SignedAt: timestamppb.New(at), Service: service, Region: region}
}

// proves fails the test unless a key proves a subject.
func (w *world) proves(t *testing.T, what string, k heldKey, subject string) {
	t.Helper()
	r, err := w.storageOf(t, k)
	if err != nil || r.GetSubjectId() != subject || r.GetSessionName() != "backup" || !r.GetExpiresAt().AsTime().Equal(k.expires) {
		t.Errorf("%s: %v, %v; want %s until %v", what, r, err, subject, k.expires)
	}
}

// provesNobody fails the test unless a key is refused with a text.
func (w *world) provesNobody(t *testing.T, what string, k heldKey, text string) {
	t.Helper()
	r, err := w.storageOf(t, k)
	if s := status.Convert(err); s.Code() != codes.Unauthenticated || !strings.Contains(s.Message(), text) || w.shows(s.Message()) != "" {
		t.Errorf("%s: %v, %v; want UNAUTHENTICATED with %q", what, r, err, text)
	}
}

func TestEphemeralKeys(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	id, file := w.keyed(t, w.home.FolderID, "own")
	self := w.login(t, file)
	ends := claims(t, self.token).ExpiresAt
	key := w.newEphemeral(t, self, ephemeral(""))
	if !regexp.MustCompile(`^aje[0-9a-v]{17}$`).MatchString(key.id) || !regexp.MustCompile(`^YC[A-Za-z0-9_-]{41}$`).MatchString(key.secret) ||
		!regexp.MustCompile(`^s1\.[A-Z0-9a-z_-]+\.[A-Z0-9a-z_-]{86}$`).MatchString(key.token) {
		t.Errorf("key %q, a secret of %d characters, a token of %d", key.id, len(key.secret), len(key.token))
	}
	if !key.expires.Equal(ends) {
		t.Errorf("without a duration it ends at %v, want with the token at %v", key.expires, ends)
	}
	w.proves(t, "a key of the caller", key, id)
	named := w.newEphemeral(t, self, ephemeral(id))
	w.proves(t, "a key of the caller, who named himself", named, id)
	if named.id == key.id || named.secret == key.secret || named.token == key.token {
		t.Error("two keys have something in common")
	}

	short := ephemeral("")
	short.Duration = durationpb.New(15 * time.Minute)
	brief := w.newEphemeral(t, self, short)
	if life := brief.expires.Sub(w.clock.now()); life > 15*time.Minute || life < 14*time.Minute {
		t.Errorf("a key for 15 minutes lives %v", life)
	}
	short.Duration = durationpb.New(8760 * time.Hour)
	if long := w.newEphemeral(t, self, short); !long.expires.Equal(ends) {
		t.Errorf("a key for a year ends at %v, want with the token at %v", long.expires, ends)
	}
	w.clock.add(brief.expires.Sub(w.clock.now()) + time.Millisecond)
	w.provesNobody(t, "after its end", brief, "The temporary access key has expired")
	w.proves(t, "when another's end has come", key, id)
}

func TestEphemeralKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	person := w.person(t, "alice-of-home", w.home.OrganizationID)
	robot := w.robot(t, "robot")
	suspended := w.newAccount(t, "suspended")
	w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: suspended})
	for name, c := range map[string]struct {
		change func(r *awspb.CreateEphemeralAccessKeyRequest)
		code   codes.Code
		text   string
	}{
		"no name":               {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SessionName = "" }, codes.InvalidArgument, "session_name"},
		"a name of 65":          {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SessionName = strings.Repeat("n", 65) }, codes.InvalidArgument, "session_name"},
		"a name with a space":   {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SessionName = "a b" }, codes.InvalidArgument, "session_name"},
		"a name in Cyrillic":    {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SessionName = "имя" }, codes.InvalidArgument, "session_name"},
		"a policy of 2,049":     {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.Policy = strings.Repeat(" ", 2049) }, codes.InvalidArgument, "policy"},
		"no policy":             {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.Policy = "allow" }, codes.InvalidArgument, "policy"},
		"a life too short":      {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.Duration = durationpb.New(15*time.Minute - 1) }, codes.InvalidArgument, "duration"},
		"a life too long":       {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.Duration = durationpb.New(8760*time.Hour + 1) }, codes.InvalidArgument, "duration"},
		"a subject of 51":       {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SubjectId = strings.Repeat("a", 51) }, codes.InvalidArgument, "subject_id"},
		"an unknown subject":    {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SubjectId = "ajeunknown0000000000" }, codes.NotFound, "Service account ajeunknown0000000000 not found"},
		"another person":        {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SubjectId = person }, codes.NotFound, "Service account " + person + " not found"},
		"a folder":              {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SubjectId = w.home.FolderID }, codes.NotFound, "Service account " + w.home.FolderID + " not found"},
		"an account far away":   {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SubjectId = w.ServiceAccountID }, codes.NotFound, "Service account " + w.ServiceAccountID + " not found"},
		"an account that rests": {func(r *awspb.CreateEphemeralAccessKeyRequest) { r.SubjectId = suspended }, codes.FailedPrecondition, "is suspended"},
	} {
		r := ephemeral("")
		c.change(r)
		w.owner.refuse(t, "ephemeral.CreateEphemeral", r, c.code, c.text)
		if name == "an account that rests" {
			robot.refuse(t, "ephemeral.CreateEphemeral", r, codes.PermissionDenied, "denied")
		}
	}
}

// What a key was made of ends it at once, and so does what its subject needs.
func TestEphemeralKeysEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	distrust := func(t *testing.T, purpose store.SigningPurpose) {
		var id string
		err := w.Server.Server.DB().View(t.Context(), func(tx *store.Tx) error {
			keys, err := store.ListSigningKeys(tx, purpose)
			id = keys[len(keys)-1].ID
			return err
		})
		if err == nil {
			_, err = w.Server.Server.RotateKeys(t.Context(), server.RotateKeysRequest{Distrust: id})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, end := range []struct {
		what, text string
		do         func(t *testing.T, id, folder string, key *iampb.CreateKeyResponse, c *caller)
	}{
		{"revoking the token", "revoked", func(t *testing.T, _, _ string, _ *iampb.CreateKeyResponse, c *caller) {
			call(t, w.owner, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: c.token}, new(iampb.RevokeIamTokenResponse))
		}},
		{"deleting the authorized key", "revoked", func(t *testing.T, _, _ string, key *iampb.CreateKeyResponse, _ *caller) {
			w.owner.operate(t, "key.Delete", &iampb.DeleteKeyRequest{KeyId: key.GetKey().GetId()})
		}},
		{"suspending the account", "revoked", func(t *testing.T, id, _ string, _ *iampb.CreateKeyResponse, _ *caller) {
			w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id})
		}},
		{"suspending the account and letting it go on", "revoked", func(t *testing.T, id, _ string, _ *iampb.CreateKeyResponse, _ *caller) {
			w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id})
			w.owner.operate(t, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: id})
		}},
		{"deleting the account", "revoked", func(t *testing.T, id, _ string, _ *iampb.CreateKeyResponse, _ *caller) {
			w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: id})
		}},
		{"deleting the folder", "revoked", func(t *testing.T, _, folder string, _ *iampb.CreateKeyResponse, _ *caller) {
			w.owner.operate(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder, DeleteAfter: timestamppb.New(past)})
		}},
		{"distrusting the session key", "not valid", func(t *testing.T, _, _ string, _ *iampb.CreateKeyResponse, _ *caller) {
			distrust(t, store.PurposeSession)
		}},
	} {
		name := fmt.Sprintf("ends-%d", i)
		folder := w.newFolder(t, name)
		id, file := w.keyed(t, folder, name)
		other := w.newAccount(t, "other-"+name)
		w.bind(t, "sa", other, add("iam.serviceAccounts.ephemeralAccessKeyAdmin", id))
		self := w.login(t, file)
		own, others := w.newEphemeral(t, self, ephemeral("")), w.newEphemeral(t, self, ephemeral(other))
		w.proves(t, "before "+end.what, own, id)
		w.proves(t, "before "+end.what, others, other)
		end.do(t, id, folder, file, self)
		w.provesNobody(t, "after "+end.what, own, end.text)
		w.provesNobody(t, "another's key after "+end.what, others, end.text)
		w.proves(t, "a new key after "+end.what, w.newEphemeral(t, w.owner, ephemeral(other)), other)
	}
}

// A key of another account ends with that account too, and no later than it.
func TestEphemeralKeysOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	target := w.newAccount(t, "target")
	admin := w.robot(t, "admin-of-keys")
	admin.refuse(t, "ephemeral.CreateEphemeral", ephemeral(target), codes.PermissionDenied, "denied")
	w.bind(t, "sa", target, add("iam.serviceAccounts.tokenCreator", admin.id)) // which is about IAM tokens
	admin.refuse(t, "ephemeral.CreateEphemeral", ephemeral(target), codes.PermissionDenied, "denied")
	w.bind(t, "sa", target, add("iam.serviceAccounts.ephemeralAccessKeyAdmin", admin.id))
	key := w.newEphemeral(t, admin, ephemeral(target))
	w.proves(t, "a key of another", key, target)
	for _, template := range []string{"iam.denyServiceAccountCredentialsCreation", "iam.denyServiceAccountImpersonation"} {
		w.deny(t, "folder", w.home.FolderID, template)
		admin.refuse(t, "ephemeral.CreateEphemeral", ephemeral(target), codes.PermissionDenied, "denied by access policy "+template)
		w.allow(t, "folder", w.home.FolderID, template)
	}
	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.awscompatibility.CreateEphemeralAccessKey"})
	made := 0
	for _, l := range lines {
		if l.Status != "DONE" {
			continue
		}
		made++
		d := l.Details
		if d["subject_id"] != target || d["impersonator_id"] != admin.id || d["access_key_id"] != key.id || d["session_name"] != "backup" ||
			len(fmt.Sprint(d["session_id"])) != 20 || d["expires_at"] == nil || l.Authentication.SubjectID != admin.id {
			t.Errorf("audit line %s", l.raw)
		}
	}
	if made != 1 {
		t.Errorf("%d audit lines of one key: %v", made, lines)
	}

	ends := w.clock.now().Add(time.Hour).Truncate(time.Second)
	w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: target, UpdateMask: masked("expires_at"), ExpiresAt: timestamppb.New(ends)})
	if late := w.newEphemeral(t, admin, ephemeral(target)); !late.expires.Equal(ends) {
		t.Errorf("a key of an account that expires at %v ends at %v", ends, late.expires)
	}
	w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: target})
	w.provesNobody(t, "when its account is suspended", key, "")
}

func TestPolicyAgainstEphemeralKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	self := w.robot(t, "self", "admin") // whatever its roles
	w.newEphemeral(t, self, ephemeral(""))
	for _, level := range []struct{ service, id string }{{"folder", w.home.FolderID}, {"cloud", w.home.CloudID}, {"org", w.home.OrganizationID}} {
		w.deny(t, level.service, level.id, "iam.denyServiceAccountCredentialsCreation")
		for _, subject := range []string{"", self.id} {
			self.refuse(t, "ephemeral.CreateEphemeral", ephemeral(subject), codes.PermissionDenied, "denied by access policy iam.denyServiceAccountCredentialsCreation")
		}
		w.allow(t, level.service, level.id, "iam.denyServiceAccountCredentialsCreation")
	}
	for _, other := range []string{"iam.denyServiceAccountAccessKeysCreation", "iam.denyServiceAccountImpersonation"} { // which are about other things
		w.deny(t, "folder", w.home.FolderID, other)
		w.newEphemeral(t, self, ephemeral(""))
	}
}

// People have ephemeral keys as they have tokens; no policy about service
// accounts' credentials is about theirs.
func TestEphemeralKeysOfPeople(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	id := w.person(t, "heidi", w.home.OrganizationID)
	person := asPerson(id)
	w.deny(t, "org", w.home.OrganizationID, "iam.denyServiceAccountCredentialsCreation")
	key := w.newEphemeral(t, person, ephemeral(""))
	r, err := w.storageOf(t, key)
	if err != nil || r.GetSubjectId() != id || r.GetSubjectType() != "userAccount" || r.GetFolderId() != "" {
		t.Errorf("%v, %v", r, err)
	}
	w.proves(t, "a person who named himself", w.newEphemeral(t, person, ephemeral(id)), id)
	person.refuse(t, "ephemeral.CreateEphemeral", ephemeral(w.person(t, "ivan", w.home.OrganizationID)), codes.NotFound, "not found")
	if _, err := w.Server.Server.RemoveUser(t.Context(), server.UserRemoveRequest{User: id}); err != nil {
		t.Fatal(err)
	}
	w.provesNobody(t, "a person who was deleted", key, "revoked")
}

// Each half of a key is nothing without the other, and is nobody's elsewhere.
func TestEphemeralKeysAreWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	self := w.robot(t, "self")
	a, b := w.newEphemeral(t, self, ephemeral("")), w.newEphemeral(t, self, ephemeral(""))
	made := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: self.id})
	static := heldKey{id: made.GetAccessKey().GetKeyId(), secret: made.GetSecret()}
	if r, err := w.storageOf(t, static); err != nil || r.GetSubjectId() != self.id {
		t.Fatalf("a static key: %v, %v", r, err)
	}
	last := a.token[len(a.token)-1:]
	for name, k := range map[string]heldKey{
		"another key's token":           {id: a.id, secret: a.secret, token: b.token},
		"another key's secret":          {id: a.id, secret: b.secret, token: a.token},
		"another key's id":              {id: b.id, secret: a.secret, token: a.token},
		"a static key with a token":     {id: static.id, secret: static.secret, token: a.token},
		"a static key's secret":         {id: a.id, secret: static.secret, token: a.token},
		"a token cut short":             {id: a.id, secret: a.secret, token: strings.TrimSuffix(a.token, last)},
		"a token with more":             {id: a.id, secret: a.secret, token: a.token + "A"},
		"a token in another case":       {id: a.id, secret: a.secret, token: "S1" + a.token[2:]},
		"a token with a changed letter": {id: a.id, secret: a.secret, token: changed(a.token, 40)},
		"a token with a changed tag":    {id: a.id, secret: a.secret, token: changed(a.token, len(a.token)-20)},
		"nonsense":                      {id: a.id, secret: a.secret, token: "s1.nonsense"},
	} {
		w.provesNobody(t, name, k, "The signature is not valid: the session token is unknown or was altered, belongs to another access key, or its secret did not make the signature")
	}
	w.provesNobody(t, "no token", heldKey{id: a.id, secret: a.secret}, badSignature)
	w.provesNobody(t, "an IAM token for a session token", heldKey{id: a.id, secret: a.secret, token: self.token}, "The session token is an IAM token")
	for header, text := range map[string]string{"Bearer " + a.token: "a session token", "Api-Key " + a.token: "a session token"} {
		r := w.Do(t, "GET", "", "/resource-manager/v1/clouds", nil, "Authorization", header)
		if r.Code != 401 || !strings.Contains(string(r.Body), text) || w.shows(string(r.Body)) != "" {
			t.Errorf("%.8s: %d %s", header, r.Code, r.Body)
		}
	}
}

const badSignature = "The signature is not valid: the access key is unknown or has been deleted, or did not make it"

// changed is a text with another letter at a place.
func changed(s string, at int) string {
	c := "A"
	if s[at] == 'A' {
		c = "B"
	}
	return s[:at] + c + s[at+1:]
}

func TestEphemeralKeysOverREST(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made map[string]any
	r := w.Do(t, "POST", w.owner.token, "/iam/aws-compatibility/v1/ephemeralAccessKeys", map[string]any{"sessionName": "backup", "duration": "3600s",
		"policy": `{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::other/*"}]}`})
	if r.Decode(t, &made); r.Code != 200 || len(made) != 4 || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", r.Code, r.Header)
	}
	expires, err := time.Parse(time.RFC3339, made["expiresAt"].(string))
	if err != nil {
		t.Fatal(err)
	}
	k := heldKey{made["accessKeyId"].(string), w.secret(made["secret"].(string)), w.secret(made["sessionToken"].(string)), expires}
	w.proves(t, "a key made over REST", k, w.home.ServiceAccountID)
	if r, err := w.storageOf(t, k); err != nil || r.GetAllowed() || r.GetReason() == "" {
		t.Errorf("what its policy does not allow: %v, %v", r, err)
	}
}
