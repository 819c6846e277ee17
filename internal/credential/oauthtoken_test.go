package credential_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/token"
)

const oauthPerson = "ajeperson00000000001"

// What scanners look for [API fact: OAuth token, the narrowest of its forms].
var publishedOAuthToken = regexp.MustCompile(`^y[0-3]_[-_A-Za-z0-9]{55}$`)

func TestOAuthTokensLookAsPublished(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		secret, row := credential.NewOAuthToken()
		text := secret.Reveal()
		raw, err := base64.RawURLEncoding.DecodeString(text[3:])
		switch {
		case seen[text]:
			t.Fatalf("the token %s came twice", text)
		case !publishedOAuthToken.MatchString(text) || !strings.HasPrefix(text, "y0_"):
			t.Fatalf("%s is not of the published form", text)
		case err != nil || len(raw) != 41 || binary.BigEndian.Uint32(raw[37:]) != crc32.ChecksumIEEE(raw[:37]):
			t.Fatalf("%s has a wrong checksum (%v)", text, err)
		case !credential.OAuthTokenForm(text) || !leak.Valid(leak.OAuthToken, text):
			t.Fatalf("%s is not known as an OAuth token", text)
		case row.Masked != leak.Mask(leak.OAuthToken, text):
			t.Fatalf("%s is shown as %s", text, row.Masked)
		case len(row.Hash) != 32 || row.Lookup != fmt.Sprintf("%x", row.Hash[:16]) || row.Lookup != credential.SecretLookup(secret):
			t.Fatalf("hash %x is found by %s", row.Hash, row.Lookup)
		}
		seen[text] = true
	}
}

// Every letter counts: no single change leaves a token that is looked up.
func TestOAuthTokenChecksumSeesEveryLetter(t *testing.T) {
	secret, _ := credential.NewOAuthToken()
	for at := range len(secret.Reveal()) {
		if credential.OAuthTokenForm(change(secret.Reveal(), at)) {
			t.Errorf("changed at %d it is still good", at)
		}
	}
}

// oauthTokens is a world with OAuth tokens.
type oauthTokens struct {
	*world
	byLookup      map[string]*iam.OAuthToken
	organizations []string
	asked         int
}

func (k *oauthTokens) FindOAuthToken(_ context.Context, lookup string) (*iam.OAuthToken, error) {
	k.asked++
	if k.failing != nil {
		return nil, k.failing
	}
	if found, ok := k.byLookup[lookup]; ok {
		return found, nil
	}
	return nil, iam.Errorf(iam.NotFound, "OAuth token of this secret not found")
}

func (k *oauthTokens) Organizations(context.Context, iam.SubjectID) ([]string, error) {
	return k.organizations, nil
}

// withOAuthToken is a world with one person, who has one token.
func withOAuthToken() (w *oauthTokens, row *iam.OAuthToken, secret string) {
	text, row := credential.NewOAuthToken()
	row.ID, row.UserID, row.ExpiresAt = "ajeoauth000000000001", oauthPerson, start.Add(time.Hour)
	w = &oauthTokens{world: newWorld(), byLookup: map[string]*iam.OAuthToken{row.Lookup: row}}
	w.people = map[string]*iam.UserAccount{oauthPerson: {ID: oauthPerson, Status: iam.UserAccountActive}}
	return w, row, text.Reveal()
}

func TestOAuthTokenProves(t *testing.T) {
	for name, c := range map[string]struct {
		member       []string
		organization string
		dependsOn    []token.Dependency
	}{
		"of no organization":  {},
		"of one organization": {[]string{"bpforg"}, "bpforg", []token.Dependency{{Kind: token.KindOrganization, ID: "bpforg/" + oauthPerson}}},
		"of several":          {member: []string{"bpforg", "bpfother"}},
		"of one whose id does not fit into a token": {member: []string{strings.Repeat("o", token.MaxID-len(oauthPerson))}},
	} {
		t.Run(name, func(t *testing.T) {
			w, row, secret := withOAuthToken()
			w.organizations = c.member
			p := &credential.OAuthToken{Reads: w, Now: func() time.Time { return start }}
			got, err := p.Prove(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			// The OAuth token itself is not among what it depends on.
			want := &credential.Identity{
				Subject: iam.Subject{ID: oauthPerson, Type: iam.TypeUserAccount}, OrganizationID: c.organization,
				How: "oauthToken", CredentialID: row.ID, Position: 41, NotAfter: row.ExpiresAt,
				DependsOn: append([]token.Dependency{{Kind: token.KindSubject, ID: oauthPerson}}, c.dependsOn...),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOAuthTokenRefused(t *testing.T) {
	w, row, secret := withOAuthToken()
	now := start
	p := &credential.OAuthToken{Reads: w, Now: func() time.Time { return now }}
	stranger, _ := credential.NewOAuthToken()
	const invalid = "OAuth token is invalid or expired"
	refused := func(what, text, reason, message string) {
		t.Helper()
		id, err := p.Prove(t.Context(), text)
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.Unauthenticated || e.Reason != reason || e.Message != message || id != nil {
			t.Errorf("%s: %v, want %s %q", what, err, reason, message)
			return
		}
		if len(text) > 20 && strings.Contains(e.Error(), text[len(text)-10:]) {
			t.Errorf("%s: the error quotes the token", what)
		}
	}
	for what, text := range map[string]string{
		"empty": "", "the prefix alone": "y0_", "too short": secret[:57], "too long": secret + "A", "padded": secret + "=",
		"another letter": change(secret, 20), "the last letter": change(secret, 57), "another digit": "y1_" + secret[3:],
		"case changed": "y0_" + strings.ToLower(secret[3:]), "with a line break": secret[:20] + "\n" + secret[20:],
		"line break for a letter": secret[:20] + "\r" + secret[21:], "behind a blank": " " + secret, "not ASCII": secret[:56] + "é",
		"of the time before prefixes": "AQAAAAAV6O" + strings.Repeat("a", 29),
	} {
		refused(what, text, "oauth_token_invalid", invalid)
	}
	if w.asked != 0 {
		t.Errorf("%d malformed tokens were looked up", w.asked)
	}
	refused("unknown", stranger.Reveal(), "oauth_token_invalid", invalid)
	for text, given := range map[string]string{
		"t1." + secret: "an IAM token", "eyJ" + secret: "a JWT", "AQVN" + secret: "an API key", "s1." + secret: "a session token",
		"rt1." + secret: "a refresh token", "yccs__" + secret: "an OAuth client's secret",
	} {
		refused(given, text, "credential_kind", "The OAuth token is "+given+": a token that begins with y0_ is expected")
	}
	// Half of a hash is not enough.
	whole := row.Hash
	row.Hash = append([]byte(nil), whole...)
	row.Hash[31] ^= 1
	refused("another token with the same look-up", secret, "oauth_token_invalid", invalid)
	row.Hash = nil
	refused("a row without a hash", secret, "oauth_token_invalid", invalid)
	row.Hash = whole

	now = row.ExpiresAt.Add(-1)
	if _, err := p.Prove(t.Context(), secret); err != nil {
		t.Errorf("a moment before its end: %v", err)
	}
	w.people[oauthPerson].Status = iam.UserAccountSuspended
	refused("of a suspended person", secret, "account_suspended", "The user account "+oauthPerson+" is suspended")
	now = row.ExpiresAt
	refused("of a suspended person at its end", secret, "oauth_token_invalid", invalid)
	row.ExpiresAt = time.Time{}
	refused("without an end", secret, "oauth_token_invalid", invalid)
	row.ExpiresAt, w.people[oauthPerson].Status = now.Add(1), ""
	refused("of a person whose state is unknown", secret, "account_suspended", "The user account "+oauthPerson+" is suspended")
	delete(w.people, oauthPerson)
	refused("of a deleted person", secret, "account_deleted", "The user account "+oauthPerson+" has been deleted")

	w.failing = iam.Errorf(iam.Unavailable, "away")
	if _, err := p.Prove(t.Context(), secret); iam.KindOf(err) != iam.Unavailable {
		t.Errorf("with the store away: %v, want UNAVAILABLE", err)
	}
}

// told is a verifier that takes everything for one token.
type told token.Claims

func (c *told) Verify(string) (*token.Claims, error) { return (*token.Claims)(c), nil }

// A person's IAM token is as good as his account.
func TestIAMTokenOfPerson(t *testing.T) {
	w, _, _ := withOAuthToken()
	claims := &told{ID: "t", SubjectType: token.SubjectUserAccount, SubjectID: oauthPerson, OrganizationID: "bpforg", ExpiresAt: start.Add(time.Hour),
		DependsOn: []token.Dependency{{Kind: token.KindSubject, ID: oauthPerson}}}
	p := &credential.IAMToken{Verifier: claims, Accounts: w, Now: func() time.Time { return start }}
	prove := func(reason string) {
		t.Helper()
		id, err := p.Prove(t.Context(), "t1.x.y")
		e, _ := errors.AsType[*iam.Error](err)
		if reason == "" && (err != nil || id.Subject != iam.Subject{ID: oauthPerson, Type: iam.TypeUserAccount} || id.OrganizationID != "bpforg") {
			t.Errorf("an active person: %+v, %v", id, err)
		}
		if reason != "" && (id != nil || e == nil || e.Kind != iam.Unauthenticated || e.Reason != reason) {
			t.Errorf("%+v, %v, want %s", id, err, reason)
		}
	}
	prove("")
	w.people[oauthPerson].Status = iam.UserAccountSuspended
	prove("account_suspended")
	delete(w.people, oauthPerson)
	prove("account_deleted")
}

func FuzzOAuthTokenForm(f *testing.F) {
	secret, _ := credential.NewOAuthToken()
	for _, s := range []string{"", "y0_", secret.Reveal(), secret.Reveal()[:57], secret.Reveal() + "=", "y0_" + strings.Repeat("\n", 55), "y0_" + strings.Repeat("A", 55)} {
		f.Add(s)
	}
	w, _, _ := withOAuthToken()
	p := &credential.OAuthToken{Reads: w, Now: time.Now}
	f.Fuzz(func(t *testing.T, text string) {
		if credential.OAuthTokenForm(text) {
			raw, err := base64.RawURLEncoding.DecodeString(text[3:])
			if err != nil || base64.RawURLEncoding.EncodeToString(raw) != text[3:] || !publishedOAuthToken.MatchString(text) || !leak.Valid(leak.OAuthToken, text) {
				t.Errorf("%q is taken for an OAuth token", text)
			}
		}
		if _, err := p.Prove(t.Context(), text); iam.KindOf(err) != iam.Unauthenticated {
			t.Errorf("%q: %v", text, err)
		} else if len(text) >= 20 && strings.Contains(err.Error(), text) {
			t.Errorf("%q is quoted: %v", text, err)
		}
	})
}
