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
	"github.com/propusk/propusk/token"
)

// What scanners look for, and how the API shows the rest [API fact: API key].
var (
	publishedAPIKey = regexp.MustCompile(`^AQVN[A-Za-z0-9_\-]{35,38}$`)
	publishedMask   = regexp.MustCompile(`^\*{4}[a-zA-Z0-9_]{6}$`)
)

func TestAPIKeysLookAsPublished(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		secret, row := credential.NewAPIKey()
		text := secret.Reveal()
		raw, err := base64.RawURLEncoding.DecodeString(text)
		sum := crc32.MakeTable(crc32.Castagnoli)
		switch {
		case seen[text]:
			t.Fatalf("the secret %s came twice", text)
		case len(text) != 40 || !publishedAPIKey.MatchString(text):
			t.Fatalf("%s is not of the published form", text)
		case err != nil || len(raw) != 30 || binary.BigEndian.Uint32(raw[26:]) != crc32.Checksum(raw[:26], sum):
			t.Fatalf("%s has a wrong checksum (%v)", text, err)
		case !publishedMask.MatchString(row.MaskedSecret) || row.MaskedSecret[4:] != text[34:]:
			t.Fatalf("%s is shown as %s", text, row.MaskedSecret)
		case !credential.APIKeyForm(text):
			t.Fatalf("%s is not known as an API key", text)
		case len(row.Hash) != 32 || row.Lookup != fmt.Sprintf("%x", row.Hash[:16]):
			t.Fatalf("hash %x is found by %s", row.Hash, row.Lookup)
		}
		seen[text] = true
	}
}

// apiKeys is a world with API keys.
type apiKeys struct {
	*world
	byLookup map[string]*iam.APIKey
	asked    int
}

func (k *apiKeys) FindAPIKey(_ context.Context, lookup string) (*iam.APIKey, error) {
	k.asked++
	if k.failing != nil {
		return nil, k.failing
	}
	if found, ok := k.byLookup[lookup]; ok {
		return found, nil
	}
	return nil, iam.Errorf(iam.NotFound, "API key of this secret not found")
}

// withAPIKey is a world with one API key of its account.
func withAPIKey() (w *apiKeys, row *iam.APIKey, secret string) {
	text, row := credential.NewAPIKey()
	row.ID, row.ServiceAccountID, row.Scopes = "ajeapi00000000000001", accountID, []string{"yc.ydb.tables.manage"}
	return &apiKeys{world: newWorld(), byLookup: map[string]*iam.APIKey{row.Lookup: row}}, row, text.Reveal()
}

func TestAPIKeyProves(t *testing.T) {
	w, row, secret := withAPIKey()
	now := start
	p := &credential.APIKey{Reads: w, Now: func() time.Time { return now }}
	id, err := p.Prove(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	want := &credential.Identity{
		Subject:        iam.Subject{ID: accountID, Type: iam.TypeServiceAccount},
		OrganizationID: "bpforg", CloudID: "b1gcloud", FolderID: "b1gfolder",
		How: "apiKey", CredentialID: row.ID, Scopes: []string{"yc.ydb.tables.manage"}, Position: 41,
		DependsOn: []token.Dependency{{Kind: token.KindCredential, ID: row.ID}, {Kind: token.KindSubject, ID: accountID},
			{Kind: token.KindFolder, ID: "b1gfolder"}, {Kind: token.KindCloud, ID: "b1gcloud"}, {Kind: token.KindOrganization, ID: "bpforg"}},
	}
	if diff := cmp.Diff(want, id); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	for _, ends := range []struct{ key, account, want time.Duration }{
		{time.Hour, 0, time.Hour}, {0, time.Hour, time.Hour}, {time.Hour, 2 * time.Hour, time.Hour}, {2 * time.Hour, time.Hour, time.Hour},
	} {
		after := func(d time.Duration) (at time.Time) {
			if d > 0 {
				at = start.Add(d)
			}
			return at
		}
		row.ExpiresAt, w.accounts[accountID].ExpiresAt = after(ends.key), after(ends.account)
		if id, err = p.Prove(t.Context(), secret); err != nil || !id.NotAfter.Equal(start.Add(ends.want)) {
			t.Errorf("%+v: ends at %v, %v", ends, id.NotAfter, err)
		}
	}
}

func TestAPIKeyRefused(t *testing.T) {
	w, row, secret := withAPIKey()
	row.ExpiresAt = start.Add(time.Hour)
	now := start
	p := &credential.APIKey{Reads: w, Now: func() time.Time { return now }}
	stranger, _ := credential.NewAPIKey()
	const invalid = "The API key is not valid: it is malformed, unknown, or has been deleted"
	refused := func(what, text, reason, message string) {
		t.Helper()
		_, err := p.Prove(t.Context(), text)
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.Unauthenticated || e.Reason != reason || message != "" && e.Message != message {
			t.Errorf("%s: %v, want %s %q", what, err, reason, message)
			return
		}
		if len(text) > 20 && strings.Contains(e.Error(), text[len(text)-10:]) {
			t.Errorf("%s: the error quotes the secret", what)
		}
	}
	asked := w.asked
	for what, text := range map[string]string{
		"empty": "", "the prefix alone": "AQVN", "too short": secret[:39], "too long": secret + "A", "padded": secret + "=",
		"another letter": change(secret, 20), "its mask changed": change(secret, 37), "the last letter": change(secret, 39),
		"case changed": strings.ToLower(secret), "with a line break": secret[:20] + "\n" + secret[20:], "line break for a letter": secret[:20] + "\n" + secret[21:],
		"behind a blank": " " + secret, "the partner form": "AQW9" + secret[4:], "not ASCII": secret[:38] + "é", "another alphabet": secret[:38] + "+/",
	} {
		refused(what, text, "api_key_invalid", invalid)
	}
	if w.asked != asked {
		t.Errorf("%d malformed keys were looked up", w.asked-asked)
	}
	refused("unknown", stranger.Reveal(), "api_key_invalid", invalid)
	for text, given := range map[string]string{
		"t1." + secret: "an IAM token", "eyJ" + secret: "a JWT", "y0_" + secret: "an OAuth token", "YC" + secret[:38]: "a static access key's secret", "s1." + secret: "a session token",
	} {
		refused(given, text, "credential_kind", "The API key is "+given+": a key that begins with AQVN is expected")
	}
	// Half of a hash is not enough.
	whole := row.Hash
	row.Hash = append([]byte(nil), whole...)
	row.Hash[31] ^= 1
	refused("another key with the same look-up", secret, "api_key_invalid", invalid)
	row.Hash = nil
	refused("a row without a hash", secret, "api_key_invalid", invalid)
	row.Hash = whole
	for _, none := range [][]string{nil, {}} {
		scopes := row.Scopes
		row.Scopes = none
		refused("a row without scopes", secret, "api_key_invalid", invalid)
		row.Scopes = scopes
	}

	now = row.ExpiresAt.Add(-1)
	if _, err := p.Prove(t.Context(), secret); err != nil {
		t.Errorf("a moment before its end: %v", err)
	}
	now = row.ExpiresAt
	refused("at its end", secret, "api_key_expired", "The API key "+row.ID+" has expired")
	row.ExpiresAt = time.Time{}
	w.accounts[accountID].Status = iam.ServiceAccountSuspended
	refused("of a suspended account", secret, "account_suspended", "")
	w.accounts[accountID].Status, w.accounts[accountID].ExpiresAt = iam.ServiceAccountActive, now
	refused("of an expired account", secret, "account_expired", "")
	w.accounts[accountID].ExpiresAt = time.Time{}
	w.ancestors = nil
	refused("of an account without a place", secret, "account_deleted", "")
	delete(w.accounts, accountID)
	refused("of a deleted account", secret, "account_deleted", "")

	w.failing = iam.Errorf(iam.Unavailable, "away")
	if _, err := p.Prove(t.Context(), secret); iam.KindOf(err) != iam.Unavailable {
		t.Errorf("with the store away: %v, want UNAVAILABLE", err)
	}
}

// change is a text with one of its letters replaced by another of the alphabet.
func change(s string, at int) string {
	c := byte('x')
	if s[at] == c {
		c = 'y'
	}
	return s[:at] + string(c) + s[at+1:]
}

// Every letter counts: no single change leaves an API key that is looked up.
func TestAPIKeyChecksumSeesEveryLetter(t *testing.T) {
	secret, _ := credential.NewAPIKey()
	for at := range len(secret.Reveal()) {
		if credential.APIKeyForm(change(secret.Reveal(), at)) {
			t.Errorf("changed at %d it is still good", at)
		}
	}
}

func FuzzAPIKeyForm(f *testing.F) {
	secret, _ := credential.NewAPIKey()
	for _, s := range []string{"", "AQVN", secret.Reveal(), secret.Reveal()[:39], secret.Reveal() + "=", "AQVN" + strings.Repeat("\n", 36), "AQVN" + strings.Repeat("A", 36)} {
		f.Add(s)
	}
	w, _, _ := withAPIKey()
	p := &credential.APIKey{Reads: w, Now: time.Now}
	f.Fuzz(func(t *testing.T, text string) {
		if credential.APIKeyForm(text) {
			raw, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil || base64.RawURLEncoding.EncodeToString(raw) != text || !publishedAPIKey.MatchString(text) {
				t.Errorf("%q is taken for an API key", text)
			}
		}
		if _, err := p.Prove(t.Context(), text); iam.KindOf(err) != iam.Unauthenticated {
			t.Errorf("%q: %v", text, err)
		} else if len(text) >= 20 && strings.Contains(err.Error(), text) {
			t.Errorf("%q is quoted: %v", text, err)
		}
		_, _ = credential.Bearer("Api-Key " + text)
	})
}

func BenchmarkAPIKeyProve(b *testing.B) {
	w, _, secret := withAPIKey()
	p := &credential.APIKey{Reads: w, Now: func() time.Time { return start }}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Prove(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
}
