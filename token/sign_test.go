package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

// seedKey is an Ed25519 key that is the same in every run.
func seedKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var issued = time.Date(2030, 1, 2, 3, 4, 5, 678e6, time.UTC)

const installation = "ins00000000000000001"

// sample is a service account's token as a server makes it.
func sample() token.Claims {
	return token.Claims{
		ID: "tok00000000000000001", KeyID: "sik00000000000000001", Installation: installation,
		IssuedAt: issued, ExpiresAt: issued.Add(12 * time.Hour), Position: 4711,
		SubjectType: token.SubjectServiceAccount, SubjectID: "aje00000000000000001",
		OrganizationID: "bpf00000000000000001", FolderID: "b1g00000000000000001",
		DependsOn: []token.Dependency{
			{Kind: token.KindToken, ID: "tok00000000000000001"},
			{Kind: token.KindSubject, ID: "aje00000000000000001"},
			{Kind: token.KindCredential, ID: "ajk00000000000000001"},
		},
	}
}

// smallest is a token with the least that one can say.
func smallest() token.Claims {
	return token.Claims{
		ID: "t", KeyID: "k", Installation: "i", IssuedAt: issued, ExpiresAt: issued.Add(time.Millisecond),
		SubjectType: token.SubjectUserAccount, SubjectID: "u",
		DependsOn: []token.Dependency{{Kind: token.KindToken, ID: "t"}},
	}
}

// largest fills every id of a user to its limit, and dependencies up to the
// size of a token.
func largest() token.Claims {
	c := token.Claims{
		ID: strings.Repeat("t", 50), KeyID: strings.Repeat("k", 50), Installation: strings.Repeat("i", 50),
		IssuedAt: issued, ExpiresAt: issued.Add(12 * time.Hour), Position: 1<<64 - 1,
		SubjectType: token.SubjectFederatedUser, SubjectID: strings.Repeat("u", 100),
		OrganizationID: strings.Repeat("o", 50),
	}
	c.DependsOn = []token.Dependency{
		{Kind: token.KindToken, ID: c.ID},
		{Kind: token.KindToken, ID: strings.Repeat("p", 50)},
		{Kind: token.KindSubject, ID: c.SubjectID},
		{Kind: token.KindSession, ID: strings.Repeat("s", 50)},
		{Kind: token.KindFederation, ID: strings.Repeat("f", 50)},
		{Kind: token.KindOrganization, ID: c.OrganizationID},
	}
	return c
}

func mustSign(t testing.TB, c token.Claims, key crypto.Signer) string {
	t.Helper()
	s, err := token.Sign(&c, key)
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return s
}

func TestSignedTokensParse(t *testing.T) {
	twenty := sample() // as many ordinary ids as there may be
	twenty.DependsOn = twenty.DependsOn[:1]
	for i := range token.MaxDependencies - 1 {
		twenty.DependsOn = append(twenty.DependsOn, token.Dependency{Kind: token.Kind(2 + i%7), ID: "abc0000000000000000" + string(rune('a'+i))})
	}
	for name, c := range map[string]token.Claims{"sample": sample(), "smallest": smallest(), "largest": largest(), "twelve": twenty} {
		t.Run(name, func(t *testing.T) {
			s := mustSign(t, c, seedKey(1))
			if len(s) > token.MaxLength || strings.Count(s, ".") != 2 || len(s) < len("t1.")+200+1+86 {
				t.Fatalf("%d characters: %s", len(s), s)
			}
			if !ed25519.Verify(public(seedKey(1)), []byte(s[:len(s)-87]), decode(t, s[len(s)-86:])) {
				t.Error("the signature does not match")
			}
			got, err := token.ParseUnverified(s)
			if err != nil {
				t.Fatal(err)
			}
			want := c
			want.DependsOn = slices.Clone(c.DependsOn)
			slices.SortStableFunc(want.DependsOn[1:], func(a, b token.Dependency) int { return int(a.Kind) - int(b.Kind) })
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
		})
	}
}

func TestSignIgnoresOrderAndKeepsClaims(t *testing.T) {
	a, b := sample(), sample()
	slices.Reverse(b.DependsOn)
	before := slices.Clone(b.DependsOn)
	if mustSign(t, a, seedKey(1)) != mustSign(t, b, seedKey(1)) {
		t.Error("the order of DependsOn changes the token")
	}
	if !slices.Equal(b.DependsOn, before) {
		t.Error("Sign changed its argument")
	}
	c := sample()
	c.IssuedAt = c.IssuedAt.Add(999 * time.Microsecond).In(time.FixedZone("", 3600))
	if mustSign(t, a, seedKey(1)) != mustSign(t, c, seedKey(1)) {
		t.Error("microseconds or the zone change the token")
	}
}

func TestSignRefuses(t *testing.T) {
	for name, change := range map[string]func(*token.Claims){
		"no id":            func(c *token.Claims) { c.ID = "" },
		"no key id":        func(c *token.Claims) { c.KeyID = "" },
		"no installation":  func(c *token.Claims) { c.Installation = "" },
		"no issued-at":     func(c *token.Claims) { c.IssuedAt = time.Time{} },
		"no expires-at":    func(c *token.Claims) { c.ExpiresAt = time.Time{} },
		"no life":          func(c *token.Claims) { c.ExpiresAt = c.IssuedAt },
		"less than a tick": func(c *token.Claims) { c.ExpiresAt = c.IssuedAt.Add(time.Microsecond) },
		"backwards":        func(c *token.Claims) { c.ExpiresAt = c.IssuedAt.Add(-time.Hour) },
		"13 hours":         func(c *token.Claims) { c.ExpiresAt = c.IssuedAt.Add(12*time.Hour + time.Millisecond) },
		"year 10000": func(c *token.Claims) {
			c.IssuedAt = time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC)
			c.ExpiresAt = c.IssuedAt.Add(2 * time.Hour)
		},
		"no subject type":       func(c *token.Claims) { c.SubjectType = "" },
		"a group":               func(c *token.Claims) { c.SubjectType = "group"; c.FolderID = "" },
		"no subject":            func(c *token.Claims) { c.SubjectID = "" },
		"space in id":           func(c *token.Claims) { c.SubjectID = "a b" },
		"control in id":         func(c *token.Claims) { c.OrganizationID = "a\n" },
		"non-ASCII id":          func(c *token.Claims) { c.FolderID = "ключ" },
		"long id":               func(c *token.Claims) { c.KeyID = strings.Repeat("k", 51) },
		"long service account":  func(c *token.Claims) { c.SubjectID = strings.Repeat("k", 51) },
		"folder of a user":      func(c *token.Claims) { c.SubjectType = token.SubjectUserAccount },
		"no dependencies":       func(c *token.Claims) { c.DependsOn = nil },
		"not on itself":         func(c *token.Claims) { c.DependsOn = c.DependsOn[1:] },
		"on another token only": func(c *token.Claims) { c.DependsOn = []token.Dependency{{Kind: token.KindToken, ID: "x"}} },
		"itself twice":          func(c *token.Claims) { c.DependsOn = append(c.DependsOn, c.DependsOn[0]) },
		"one twice":             func(c *token.Claims) { c.DependsOn = append(c.DependsOn, c.DependsOn[1]) },
		"signing key listed": func(c *token.Claims) {
			c.DependsOn = append(c.DependsOn, token.Dependency{Kind: token.KindSigningKey, ID: c.KeyID})
		},
		"installation listed": func(c *token.Claims) {
			c.DependsOn = append(c.DependsOn, token.Dependency{Kind: token.KindInstallation, ID: "x"})
		},
		"unknown kind":     func(c *token.Claims) { c.DependsOn = append(c.DependsOn, token.Dependency{Kind: 11, ID: "x"}) },
		"no kind":          func(c *token.Claims) { c.DependsOn = append(c.DependsOn, token.Dependency{ID: "x"}) },
		"empty dependency": func(c *token.Claims) { c.DependsOn = append(c.DependsOn, token.Dependency{Kind: token.KindCloud}) },
		"13 dependencies": func(c *token.Claims) {
			for i := range 10 {
				c.DependsOn = append(c.DependsOn, token.Dependency{Kind: token.KindCloud, ID: string(rune('a' + i))})
			}
		},
		"too long": func(c *token.Claims) {
			for i := range 9 {
				c.DependsOn = append(c.DependsOn, token.Dependency{Kind: token.KindSubject, ID: strings.Repeat(string(rune('a'+i)), 100)})
			}
		},
	} {
		c := sample()
		change(&c)
		if s, err := token.Sign(&c, seedKey(1)); !errors.Is(err, token.ErrClaims) {
			t.Errorf("%s: got %q, %v", name, s, err)
		}
	}
}

func TestSignRefusesOtherKeys(t *testing.T) {
	c := sample()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"none": nil, "P-256": p256} {
		if s, err := token.Sign(&c, key); err == nil {
			t.Errorf("%s: got %q", name, s)
		}
	}
}

// issueNow is what a mint does, for an example.
func issueNow(key ed25519.PrivateKey) (string, token.Claims) {
	c := sample()
	c.IssuedAt, c.Position = time.Now(), 100
	c.ExpiresAt = c.IssuedAt.Add(time.Hour)
	s, err := token.Sign(&c, key)
	if err != nil {
		panic(err)
	}
	return s, c
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// signAs signs a text of a published document with the feed key.
func signAs(context, text string) []byte { return ed25519.Sign(feedKey(), []byte(context+text)) }
