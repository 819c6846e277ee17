package credential_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
)

// The example secrets of AWS's documentation; they differ in one letter.
const (
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" // of the Signature Version 4 test suite
	s3Secret    = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" // of the documentation of S3
	emptyHash   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// accessWorld has static access keys too.
type accessWorld struct {
	*world
	access map[string]*replica.AccessKey
}

func newAccessWorld() *accessWorld {
	w := &accessWorld{world: newWorld(), access: map[string]*replica.AccessKey{}}
	for id, secret := range map[string]string{"AKIDEXAMPLE": suiteSecret, "AKIAIOSFODNN7EXAMPLE": s3Secret} {
		w.access[id] = &replica.AccessKey{AccessKey: iam.AccessKey{ID: "aje" + id, KeyID: id, ServiceAccountID: accountID}, Secret: iam.NewSecret(secret)}
	}
	return w
}

func (w *accessWorld) FindAccessKey(_ context.Context, keyID string) (*replica.AccessKey, error) {
	w.lookups = append(w.lookups, keyID)
	if w.failing != nil {
		return nil, w.failing
	}
	if k, ok := w.access[keyID]; ok {
		return k, nil
	}
	return nil, iam.Errorf(iam.NotFound, "Access key %s not found", keyID)
}

func (w *accessWorld) prove(now time.Time, s credential.Signature) (*credential.Identity, error) {
	p := &credential.AccessKey{Reads: w, Now: func() time.Time { return now }}
	return p.Prove(context.Background(), s)
}

// v4 is a signature as a service shows it: what it says besides the string to
// sign is what the string says.
func v4(keyID, at, region, service, digest, signature string) credential.Signature {
	signed, err := time.Parse("20060102T150405Z", at)
	if err != nil {
		panic(err)
	}
	return credential.Signature{AccessKeyID: keyID, SignedAt: signed, Region: region, Service: service, Signature: signature,
		StringToSign: fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s", at, at[:8], region, service, digest)}
}

// sign makes the signature of version 4 anew, after AWS's description.
func sign(secret string, s credential.Signature) credential.Signature {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.SignedAt.UTC().Format("20060102"), s.Region, s.Service, "aws4_request", s.StringToSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	s.Signature = hex.EncodeToString(key)
	return s
}

func signV2(secret, text string) credential.Signature {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(text))
	return credential.Signature{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", StringToSign: text, V2: "HMAC_SHA1",
		Signature: base64.StdEncoding.EncodeToString(h.Sum(nil))}
}

// Published cases: strings to sign, and the signatures that AWS says they have.
var published = map[string]credential.Signature{
	"suite: get-vanilla": v4("AKIDEXAMPLE", "20150830T123600Z", "us-east-1", "service",
		"bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
	"suite: get-vanilla-query-order-key-case": v4("AKIDEXAMPLE", "20150830T123600Z", "us-east-1", "service",
		"816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
	"suite: post-vanilla": v4("AKIDEXAMPLE", "20150830T123600Z", "us-east-1", "service",
		"553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
	"suite of 2011: get-space": v4("AKIDEXAMPLE", "20110909T233600Z", "us-east-1", "host",
		"35975885599128f8963ce9be7219598b2b5a344321bae304529556c891e9e6ba", "2be9e587d1ee1f0fd02128724b86b4358ba3630d39f493b6e06610a19a50779e"),
	"suite of 2011: get-utf8": v4("AKIDEXAMPLE", "20110909T233600Z", "us-east-1", "host",
		"47f4456c465167f4db3490a68903fe057412e6e030de38f71d9006467eb4922a", "57b1eb3df3b16a8479c0097b66c0b261cfd65b829419a3f2c3d05319722490b8"),
	"documentation: IAM's ListUsers": v4("AKIDEXAMPLE", "20150830T123600Z", "us-east-1", "iam",
		"f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
	"S3: get an object": v4("AKIAIOSFODNN7EXAMPLE", "20130524T000000Z", "us-east-1", "s3",
		"7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
	"S3: put an object": v4("AKIAIOSFODNN7EXAMPLE", "20130524T000000Z", "us-east-1", "s3",
		"9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
	"S3: a bucket's lifecycle": v4("AKIAIOSFODNN7EXAMPLE", "20130524T000000Z", "us-east-1", "s3",
		"9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
	"S3: a list": v4("AKIAIOSFODNN7EXAMPLE", "20130524T000000Z", "us-east-1", "s3",
		"df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
	"S3: presigned": v4("AKIAIOSFODNN7EXAMPLE", "20130524T000000Z", "us-east-1", "s3",
		"3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04", "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
	"version 2: get": v2("GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/johnsmith/photos/puppy.jpg", "bWq2s1WEIj+Ydj0vQ697zp+IXMU="),
	"version 2: get from another bucket": v2("GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/awsexamplebucket1/photos/puppy.jpg",
		"qgk2+6Sv9/oM7G3qLEjTH1a1l1g="),
	"version 2: put":       v2("PUT\n\nimage/jpeg\nTue, 27 Mar 2007 21:15:45 +0000\n/johnsmith/photos/puppy.jpg", "MyyxeRY7whkBe+bq8fHCL/2kKUg="),
	"version 2: list":      v2("GET\n\n\nTue, 27 Mar 2007 19:42:41 +0000\n/johnsmith/", "htDYFYduRNen8P9ZfE/s9SuKy0U="),
	"version 2: presigned": v2("GET\n\n\n1175139620\n/johnsmith/photos/puppy.jpg", "NpgCjnDzrM+WFzoENXmpNDUsSn8="),
}

func v2(text, signature string) credential.Signature {
	return credential.Signature{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", StringToSign: text, Signature: signature, V2: "HMAC_SHA1"}
}

// when is a moment at which a published case was good.
func when(s credential.Signature) time.Time {
	if s.V2 == "" {
		return s.SignedAt
	}
	line := strings.Split(s.StringToSign, "\n")[3]
	if at, err := time.Parse(time.RFC1123Z, line); err == nil {
		return at
	}
	return time.Unix(1175139620-60, 0)
}

func TestPublishedSignatures(t *testing.T) {
	for name, s := range published {
		w := newAccessWorld()
		id, err := w.prove(when(s), s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if id.Subject != (iam.Subject{ID: accountID, Type: iam.TypeServiceAccount}) || id.How != credential.HowAccessKey ||
			id.CredentialID != "aje"+s.AccessKeyID || id.FolderID != "b1gfolder" || id.CloudID != "b1gcloud" || id.OrganizationID != "bpforg" || id.Position != 41 {
			t.Errorf("%s: identity %+v", name, id)
		}
		// Any other text, key or method, and any other spelling of the signature, is nobody's.
		other := s
		other.AccessKeyID = map[string]string{"AKIDEXAMPLE": "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE": "AKIDEXAMPLE"}[s.AccessKeyID]
		unknown, lower := s, s
		unknown.AccessKeyID, lower.AccessKeyID = "YCunknown0000000000000000", strings.ToLower(s.AccessKeyID)
		changed := map[string]credential.Signature{"another key": other, "an unknown key": unknown, "the key in lower case": lower}
		for what, text := range map[string]string{"upper case": strings.ToUpper(s.Signature), "truncated": s.Signature[:len(s.Signature)-1], "half": s.Signature[:len(s.Signature)/2],
			"longer": s.Signature + "0", "a space": s.Signature + " ", "a line break": s.Signature + "\n", "empty": "", "flipped": flipLast(s.Signature), "flipped at the front": flipFirst(s.Signature)} {
			bad := s
			bad.Signature = text
			changed[what] = bad
		}
		for what, bad := range changed {
			refusedSignature(t, name+", "+what, errorOf(w.prove(when(s), bad)), "access_key_invalid",
				"The signature is not valid: the access key is unknown or has been deleted, or did not make it")
		}
	}
}

func errorOf(_ *credential.Identity, err error) error { return err }

func refusedSignature(t *testing.T, what string, err error, reason, text string) {
	t.Helper()
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind != iam.Unauthenticated || e.Reason != reason || text != "" && e.Message != text {
		t.Errorf("%s: %v, want UNAUTHENTICATED %s %q", what, err, reason, text)
	}
}

func flipLast(s string) string  { return flipAt(s, len(s)-2) } // before the padding
func flipFirst(s string) string { return flipAt(s, 0) }

func flipAt(s string, i int) string {
	c := byte('0')
	if s[i] == c {
		c = '1'
	}
	return s[:i] + string(c) + s[i+1:]
}

var good4 = v4("AKIDEXAMPLE", "20261101T120000Z", "ru-central1", "s3", emptyHash, "") // at start

func TestSignatureV4Refused(t *testing.T) {
	lines := strings.Split(good4.StringToSign, "\n")
	for name, c := range map[string]struct {
		change func(s *credential.Signature)
		reason string
	}{
		"good":                       {func(*credential.Signature) {}, ""},
		"in another zone":            {func(s *credential.Signature) { s.SignedAt = s.SignedAt.In(time.FixedZone("", 10*3600)) }, ""},
		"within the second":          {func(s *credential.Signature) { s.SignedAt = s.SignedAt.Add(999 * time.Millisecond) }, ""},
		"signed_at a second off":     {func(s *credential.Signature) { s.SignedAt = s.SignedAt.Add(time.Second) }, "signature_scope"},
		"signed_at a day off":        {func(s *credential.Signature) { s.SignedAt = s.SignedAt.Add(24 * time.Hour) }, "signature_scope"},
		"signed_at absent":           {func(s *credential.Signature) { s.SignedAt = time.Time{} }, "signature_scope"},
		"another region":             {func(s *credential.Signature) { s.Region = "us-east-1" }, "signature_scope"},
		"no region":                  {func(s *credential.Signature) { s.Region = "" }, "signature_scope"},
		"another service":            {func(s *credential.Signature) { s.Service = "sqs" }, "signature_scope"},
		"swapped":                    {func(s *credential.Signature) { s.Service, s.Region = s.Region, s.Service }, "signature_scope"},
		"upper case":                 {func(s *credential.Signature) { s.Region = "RU-CENTRAL1" }, "signature_scope"},
		"the day before in scope":    {text("20261101/", "20261031/"), "signature_scope"},
		"another time in the string": {text("T120000Z", "T120001Z"), "signature_scope"},
		"a region with a slash":      {func(s *credential.Signature) { text("/ru-central1/", "/ru/central1/")(s); s.Region = "ru/central1" }, "signature_malformed"},
		"empty scope":                {func(s *credential.Signature) { text("/ru-central1/s3/", "///")(s); s.Region, s.Service = "", "" }, "signature_malformed"},
		"another terminator":         {text("aws4_request", "aws4_requests"), "signature_malformed"},
		"another algorithm":          {text("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "signature_malformed"},
		"a chunk":                    {text("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256-PAYLOAD"), "signature_malformed"},
		"lower-case algorithm":       {text("AWS4-HMAC-SHA256", "aws4-hmac-sha256"), "signature_malformed"},
		"CRLF":                       {text("\n", "\r\n"), "signature_malformed"},
		"a trailing line break":      {text(emptyHash, emptyHash+"\n"), "signature_malformed"},
		"a fifth line":               {text(emptyHash, emptyHash+"\n"+emptyHash), "signature_malformed"},
		"no hash":                    {text(emptyHash, ""), "signature_malformed"},
		"a short hash":               {text(emptyHash, emptyHash[:63]), "signature_malformed"},
		"a hash in upper case":       {text(emptyHash, strings.ToUpper(emptyHash)), "signature_malformed"},
		"fractions of a second":      {text("T120000Z", "T120000.5Z"), "signature_malformed"},
		"an impossible time":         {text("T120000Z", "T126000Z"), "signature_malformed"},
		"a time of the same length":  {text("T120000Z", "T12000.5Z"), "signature_malformed"},
		"no time":                    {text("20261101T120000Z", ""), "signature_malformed"},
		"three lines":                {whole(strings.Join(lines[:3], "\n")), "signature_malformed"},
		"re-ordered":                 {whole(lines[0] + "\n" + lines[2] + "\n" + lines[1] + "\n" + lines[3]), "signature_malformed"},
		"backwards":                  {whole(lines[3] + "\n" + lines[2] + "\n" + lines[1] + "\n" + lines[0]), "signature_malformed"},
		"empty":                      {whole(""), "signature_malformed"},
		"no method":                  {func(s *credential.Signature) { s.V2 = "SIGNATURE_METHOD_UNSPECIFIED" }, "signature_method"},
		"a string of the other kind": {func(s *credential.Signature) { s.V2 = "HMAC_SHA256" }, "signature_malformed"},
		"a secret as the key's id":   {func(s *credential.Signature) { s.AccessKeyID = "YC" + strings.Repeat("a", 38) }, "credential_kind"},
		"an API key as the key's id": {func(s *credential.Signature) { s.AccessKeyID = "AQVN" + strings.Repeat("a", 36) }, "credential_kind"},
		"an odd key id":              {func(s *credential.Signature) { s.AccessKeyID = "YC/../x" }, "access_key_invalid"},
		"no key id":                  {func(s *credential.Signature) { s.AccessKeyID = "" }, "access_key_invalid"},
	} {
		s := good4
		c.change(&s)
		w := newAccessWorld()
		err := errorOf(w.prove(start, sign(suiteSecret, s)))
		if c.reason != "" {
			refusedSignature(t, name, err, c.reason, "")
			if c.reason != "access_key_invalid" && len(w.lookups) > 0 {
				t.Errorf("%s: keys %v were looked up", name, w.lookups)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func text(from, to string) func(*credential.Signature) {
	return func(s *credential.Signature) { s.StringToSign = strings.Replace(s.StringToSign, from, to, 1) }
}

func whole(text string) func(*credential.Signature) {
	return func(s *credential.Signature) { s.StringToSign = text }
}

// Only whose signature verified learns anything of an account.
func TestSignatureAndAccount(t *testing.T) {
	ours := sign(suiteSecret, good4)
	theirs := sign("another", good4)
	for name, c := range map[string]struct {
		change func(w *accessWorld)
		reason string
	}{
		"suspended": {func(w *accessWorld) { w.accounts[accountID].Status = iam.ServiceAccountSuspended }, "account_suspended"},
		"expired":   {func(w *accessWorld) { w.accounts[accountID].ExpiresAt = start }, "account_expired"},
		"deleted":   {func(w *accessWorld) { delete(w.accounts, accountID) }, "account_deleted"},
		"orphaned":  {func(w *accessWorld) { w.ancestors = nil }, "account_deleted"},
	} {
		w := newAccessWorld()
		c.change(w)
		refusedSignature(t, name, errorOf(w.prove(start, ours)), c.reason, "")
		refusedSignature(t, name+", another's signature", errorOf(w.prove(start, theirs)), "access_key_invalid", "")
	}
	w := newAccessWorld()
	w.accounts[accountID].ExpiresAt = start.Add(time.Minute)
	if id, err := w.prove(start, ours); err != nil || !id.NotAfter.Equal(start.Add(time.Minute)) {
		t.Errorf("an account that will expire: %+v, %v", id, err)
	}
	w.failing = iam.Errorf(iam.Unavailable, "The store is away")
	if err := errorOf(w.prove(start, ours)); !errors.Is(err, iam.Unavailable) {
		t.Errorf("the store is away: %v", err)
	}
}
