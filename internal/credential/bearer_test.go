package credential_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

func TestBearer(t *testing.T) {
	const secret = "7d3c0ffee7d3c0ffee7d3c0ffee7d3c0ffee7d3c"
	for header, want := range map[string]string{
		"Bearer t1." + secret:         "",
		"bearer t1." + secret:         "",
		"BEARER   t1." + secret + " ": "",
		"Bearer " + secret:            "", // the verifier says that it is invalid
		"":                            "carries no credential",
		"Bearer":                      "carries no credential",
		"Bearer ":                     "carries no credential",
		"Api-Key AQVN" + secret:       "API keys are not accepted here; the Authorization header holds an API key: an IAM token is expected",
		"Api-Key " + secret:           "holds an API key: an IAM token is expected",
		"Api-Key":                     "holds an API key: an IAM token is expected",
		"api-key t1." + secret:        "holds an IAM token behind the word 'Api-Key': an IAM token is expected as 'Bearer <token>'",
		"Bearer AQVN" + secret:        "holds an API key",
		"Basic " + secret:             "holds Basic credentials",
		"Bearer eyJ" + secret:         "holds a JWT",
		"Bearer y0_" + secret:         "holds an OAuth token",
		"Bearer c1." + secret:         "holds an IAM cookie",
		"Bearer rt1." + secret:        "holds a refresh token",
		"Bearer s1." + secret:         "holds a session token",
		"Bearer YC" + secret[:38]:     "holds a static access key's secret",
		"Bearer YC" + secret[:23]:     "holds a static access key's id",
		"Bearer YCx" + secret:         "holds a temporary access key's secret",
		"Bearer yccs__" + secret:      "holds an OAuth client's secret",
		"Bearer ysc2_" + secret:       "holds a SmartCaptcha key",
		"Api-Key YC" + secret[:23]:    "holds a static access key's id behind the word 'Api-Key'",
		"YC" + secret[:23]:            "holds a static access key's id without the word 'Bearer'",
		"PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <x> -----BEGIN PRIVATE KEY-----" + secret: "holds an authorized key without the word 'Bearer'",
		`Bearer {"private_key":"-----BEGIN PRIVATE KEY-----` + secret:                                     "holds an authorized key",
		"Bearer -----BEGIN PRIVATE KEY-----" + secret:                                                     "holds an authorized key",
		"DPoP t1." + secret:          "holds a DPoP-bound token",
		"AWS4-HMAC-SHA256 " + secret: "holds an AWS signature",
		"t1." + secret:               "holds an IAM token without the word 'Bearer'",
		"eyJ" + secret:               "holds a JWT without the word 'Bearer'",
		secret:                       "holds another scheme",
		"Digest " + secret:           "holds another scheme",
	} {
		text, err := credential.Bearer(header)
		if want == "" {
			if err != nil || !strings.HasSuffix(text, secret) {
				t.Errorf("%s: %q, %v", header, text, err)
			}
			continue
		}
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.Unauthenticated || !strings.Contains(e.Message, want) || e.Reason == "" {
			t.Errorf("%s: %v, want %q", header, err, want)
			continue
		}
		if strings.Contains(e.Error(), secret[:8]) {
			t.Errorf("%s: the error quotes the credential", header)
		}
	}
}

type verifierFunc func(string) (*token.Claims, error)

func (f verifierFunc) Verify(text string) (*token.Claims, error) { return f(text) }

func TestIAMTokenTexts(t *testing.T) {
	for _, tc := range []struct {
		text   string
		err    error
		kind   iam.Kind
		want   string
		reason string
	}{
		{"t1.x.y", token.ErrMalformed, iam.Unauthenticated, "The token is invalid", "token_invalid"},
		{"garbage", token.ErrMalformed, iam.Unauthenticated, "The token is invalid", "token_invalid"},
		{"eyJx.y.z", token.ErrMalformed, iam.Unauthenticated, "The IAM token is a JWT: a token that begins with t1. is expected", "credential_kind"},
		{"t1.x.y", token.ErrSignature, iam.Unauthenticated, "The token is invalid", "token_invalid"},
		{"t1.x.y", token.ErrUnknownKey, iam.Unauthenticated, "The token is invalid", "token_invalid"},
		{"t1.x.y", token.ErrInstallation, iam.Unauthenticated, "The token is invalid", "token_invalid"},
		{"t1.x.y", fmt.Errorf("more: %w", token.ErrExpired), iam.Unauthenticated, "The token has expired", "token_expired"},
		{"t1.x.y", token.ErrRevoked, iam.Unauthenticated, "The token has been revoked", "token_revoked"},
		{"t1.x.y", token.ErrNotYetValid, iam.Unauthenticated, "The token is not valid yet", "token_not_yet_valid"},
		{"t1.x.y", token.ErrStale, iam.Unavailable, "Tokens cannot be checked yet", ""},
	} {
		p := &credential.IAMToken{
			Verifier: verifierFunc(func(string) (*token.Claims, error) { return nil, tc.err }), Accounts: newWorld(), Now: time.Now,
		}
		_, err := p.Prove(t.Context(), tc.text)
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != tc.kind || e.Message != tc.want || e.Reason != tc.reason {
			t.Errorf("%v: %v", tc.err, err)
		}
	}
}

func TestIAMTokenProves(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := start
	clock := func() time.Time { return now }
	verifier, err := token.NewVerifier(token.Config{Local: true, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	err = verifier.Load(token.Snapshot{
		Installation: "ajeinst", Position: 40, Keys: []token.PublicKey{{ID: "ajesign", Key: public, SignsFrom: start.Add(-time.Hour)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	claims := &token.Claims{
		ID: "ajetoken", KeyID: "ajesign", Installation: "ajeinst", IssuedAt: start, ExpiresAt: start.Add(12 * time.Hour), Position: 7,
		SubjectType: token.SubjectServiceAccount, SubjectID: accountID, OrganizationID: "bpforg", FolderID: "b1gfolder",
		DependsOn: []token.Dependency{{Kind: token.KindToken, ID: "ajetoken"}, {Kind: token.KindCredential, ID: keyID}},
	}
	text, err := token.Sign(claims, private)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	p := &credential.IAMToken{Verifier: verifier, Accounts: w, Now: clock}
	id, err := p.Prove(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	want := &credential.Identity{
		Subject:        iam.Subject{ID: accountID, Type: iam.TypeServiceAccount},
		OrganizationID: "bpforg", CloudID: "b1gcloud", FolderID: "b1gfolder",
		How: "iamToken", CredentialID: "ajetoken", TokenID: "ajetoken", SigningKeyID: "ajesign",
		Position: 41, NotAfter: start.Add(12 * time.Hour), DependsOn: claims.DependsOn,
	}
	if diff := cmp.Diff(want, id); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}

	w.accounts[accountID].ExpiresAt = start.Add(time.Hour)
	if id, err = p.Prove(t.Context(), text); err != nil || !id.NotAfter.Equal(start.Add(time.Hour)) {
		t.Errorf("an account that expires earlier: %v, %v", id, err)
	}
	now = start.Add(time.Hour)
	wantRefusal(t, p, text, "account_expired")
	w.accounts[accountID].Status = iam.ServiceAccountSuspended
	wantRefusal(t, p, text, "account_suspended")
	delete(w.accounts, accountID)
	wantRefusal(t, p, text, "account_deleted")

	person := *claims
	person.SubjectType, person.SubjectID, person.FolderID = token.SubjectUserAccount, "ajeperson", ""
	text, err = token.Sign(&person, private)
	if err != nil {
		t.Fatal(err)
	}
	if id, err = p.Prove(t.Context(), text); err != nil || id.Subject.Type != iam.TypeUserAccount || id.CloudID != "" {
		t.Errorf("a person: %+v, %v", id, err)
	}
	if err := verifier.Advance(41, []token.Revocation{{Hash: token.HashID(token.KindCredential, keyID), Seq: 41}}); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, p, text, "token_revoked")
}

func wantRefusal(t *testing.T, p *credential.IAMToken, text, reason string) {
	t.Helper()
	_, err := p.Prove(context.Background(), text)
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind != iam.Unauthenticated || e.Reason != reason {
		t.Errorf("%v, want %s", err, reason)
	}
}
