package credential_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/token"
)

// [API fact: OAuth client secrets; OAuthClientSecret.masked_secret].
var (
	publishedClientSecret     = regexp.MustCompile(`^yccs__[0-9a-f]{64}_[0-9a-f]{8}$`)
	publishedClientSecretMask = regexp.MustCompile(`^yccs__[a-f0-9]{10}\*{4}$`)
)

func TestClientSecretsLookAsPublished(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		secret, row := credential.NewOAuthClientSecret()
		text := secret.Reveal()
		switch {
		case seen[text]:
			t.Fatal("a secret came twice")
		case !publishedClientSecret.MatchString(text) || !leak.Valid(leak.OAuthClientSecret, text) || !credential.OAuthClientSecretForm(text):
			t.Fatalf("%s is not of the published form", text)
		case !publishedClientSecretMask.MatchString(row.MaskedSecret) || row.MaskedSecret[:16] != text[:16]:
			t.Fatalf("%s is shown as %s", text, row.MaskedSecret)
		case len(row.Hash) != 32 || row.Lookup != fmt.Sprintf("%x", row.Hash[:16]) || row.Lookup != credential.SecretLookup(secret):
			t.Fatalf("hash %x is found by %s", row.Hash, row.Lookup)
		}
		seen[text] = true
	}
}

// oauthClients is a world with OAuth clients.
type oauthClients struct {
	*world
	clients  map[string]*iam.OAuthClient
	byLookup map[string]*iam.OAuthClientSecret
	asked    int
}

func (c *oauthClients) OAuthClient(_ context.Context, id string) (*iam.OAuthClient, error) {
	if found, ok := c.clients[id]; ok {
		return found, nil
	}
	return nil, iam.Errorf(iam.NotFound, "OAuth client %s not found", id)
}

func (c *oauthClients) FindOAuthClientSecret(_ context.Context, lookup string) (*iam.OAuthClientSecret, error) {
	c.asked++
	if c.failing != nil {
		return nil, c.failing
	}
	if found, ok := c.byLookup[lookup]; ok {
		return found, nil
	}
	return nil, iam.Errorf(iam.NotFound, "OAuth client secret of this text not found")
}

// withOAuthClients is a world with two clients, the first of which has a secret.
func withOAuthClients() (w *oauthClients, row *iam.OAuthClientSecret, secret string) {
	text, row := credential.NewOAuthClientSecret()
	row.ID, row.OAuthClientID = "ajesec00000000000001", "ajecli00000000000001"
	w = &oauthClients{world: newWorld(), byLookup: map[string]*iam.OAuthClientSecret{row.Lookup: row}, clients: map[string]*iam.OAuthClient{
		"ajecli00000000000001": {ID: "ajecli00000000000001", FolderID: "b1gfolder"}, "ajecli00000000000002": {ID: "ajecli00000000000002", FolderID: "b1gfolder"}}}
	w.ancestors = w.ancestors[1:] // a client's place is its folder's
	return w, row, text.Reveal()
}

func TestOAuthClientProves(t *testing.T) {
	w, row, secret := withOAuthClients()
	got, err := (&credential.OAuthClientSecret{Reads: w}).Prove(t.Context(), row.OAuthClientID, secret)
	if err != nil {
		t.Fatal(err)
	}
	want := &credential.ProvedOAuthClient{Client: w.clients[row.OAuthClientID], SecretID: row.ID, Position: 41, DependsOn: []token.Dependency{
		{Kind: token.KindCredential, ID: row.ID}, {Kind: token.KindCredential, ID: row.OAuthClientID},
		{Kind: token.KindFolder, ID: "b1gfolder"}, {Kind: token.KindCloud, ID: "b1gcloud"}, {Kind: token.KindOrganization, ID: "bpforg"}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Whatever is wrong, the answer is one and the same; what cannot be a secret is
// not even looked for.
func TestOAuthClientRefused(t *testing.T) {
	other, _ := credential.NewOAuthClientSecret()
	const client, second = "ajecli00000000000001", "ajecli00000000000002"
	for what, c := range map[string]struct {
		client string
		text   func(secret string) string
		change func(w *oauthClients, row *iam.OAuthClientSecret)
		looked int
	}{
		"nothing":             {client: client, text: func(string) string { return "" }},
		"a bad checksum":      {client: client, text: func(s string) string { return s[:78] + flipped(s[78]) }},
		"upper case":          {client: client, text: strings.ToUpper},
		"a line end":          {client: client, text: func(s string) string { return s + "\n" }},
		"unknown":             {client: client, text: func(string) string { return other.Reveal() }, looked: 1},
		"of another client":   {client: second, looked: 1},
		"no client":           {client: "", looked: 1},
		"an unknown client":   {client: "ajecli00000000000009", looked: 1},
		"a hash of its half":  {client: client, change: func(_ *oauthClients, row *iam.OAuthClientSecret) { row.Hash[31] ^= 1 }, looked: 1},
		"no hash":             {client: client, change: func(_ *oauthClients, row *iam.OAuthClientSecret) { row.Hash = nil }, looked: 1},
		"the client is gone":  {client: client, change: func(w *oauthClients, _ *iam.OAuthClientSecret) { delete(w.clients, client) }, looked: 1},
		"its folder has gone": {client: client, change: func(w *oauthClients, _ *iam.OAuthClientSecret) { w.ancestors = nil }, looked: 1},
	} {
		w, row, secret := withOAuthClients()
		if c.change != nil {
			c.change(w, row)
		}
		text := secret
		if c.text != nil {
			text = c.text(secret)
		}
		got, err := (&credential.OAuthClientSecret{Reads: w}).Prove(t.Context(), c.client, text)
		var e *iam.Error
		if got != nil || !errors.As(err, &e) || e.Kind != iam.Unauthenticated || e.Reason != "oauth_client_invalid" ||
			e.Message != "There is no such OAuth client, or the secret is not one of its own" {
			t.Errorf("%s: %v, %v", what, got, err)
		}
		if w.asked != c.looked {
			t.Errorf("%s: looked %d times, want %d", what, w.asked, c.looked)
		}
	}
	w, row, secret := withOAuthClients()
	w.failing = iam.Errorf(iam.Unavailable, "away")
	if _, err := (&credential.OAuthClientSecret{Reads: w}).Prove(t.Context(), row.OAuthClientID, secret); !errors.Is(err, iam.Unavailable) {
		t.Errorf("the store is away: %v", err)
	}
}

func flipped(c byte) string {
	if c == '0' {
		return "1"
	}
	return "0"
}
