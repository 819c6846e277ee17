package grant_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/leak"
)

// [API fact: refresh tokens; the partners' form asks for 200 characters before the dot].
var publishedRefreshToken = regexp.MustCompile(`^rt1\.[A-Z0-9a-z_-]{200,}[=]{0,2}\.[A-Z0-9a-z_-]{86}[=]{0,2}$`)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestRefreshTokensLookAsPublished(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		fresh := grant.NewRefreshToken()
		text := fresh.Secret.Reveal()
		after, err := grant.RefreshTokenAfter([]byte("key"), text)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []grant.FreshRefreshToken{fresh, after} {
			text := f.Secret.Reveal()
			switch {
			case seen[text] || seen[f.ID]:
				t.Fatal("a token came twice")
			case !publishedRefreshToken.MatchString(text) || !grant.RefreshTokenForm(text) || !leak.Valid(leak.RefreshToken, text):
				t.Fatalf("%q is not of the published form", text)
			case !uuid.MatchString(f.ID):
				t.Fatalf("the id %q is no random UUID", f.ID)
			case f.Lookup != grant.RefreshTokenLookup(text) || len(f.Lookup) != 64:
				t.Fatalf("it is found by %q", f.Lookup)
			}
			seen[text], seen[f.ID] = true, true
		}
	}
}

// One token has one successor under one key, which says nothing of it under
// another.
func TestSuccessor(t *testing.T) {
	first, second := grant.NewRefreshToken().Secret.Reveal(), grant.NewRefreshToken().Secret.Reveal()
	after := func(key, text string) string {
		f, err := grant.RefreshTokenAfter([]byte(key), text)
		if err != nil {
			t.Fatal(err)
		}
		return f.Secret.Reveal() + " " + f.ID + " " + f.Lookup
	}
	one, again := after("a", first), after("a", first)
	if one != again {
		t.Error("the successor changes")
	}
	for what, other := range map[string]string{"another key": after("b", first), "another token": after("a", second)} {
		if other == one {
			t.Errorf("%s gives the same successor", what)
		}
	}
}

func TestRefreshTokenForm(t *testing.T) {
	good := grant.NewRefreshToken().Secret.Reveal()
	other := grant.NewRefreshToken().Secret.Reveal()
	for what, text := range map[string]string{
		"nothing":            "",
		"cut short":          good[:len(good)-1],
		"longer":             good + "A",
		"another prefix":     "rt2." + good[4:],
		"a cookie":           "c1" + good[3:],
		"a changed payload":  good[:10] + flip(good[10]) + good[11:],
		"a changed tail":     good[:250] + flip(good[250]) + good[251:],
		"two halves":         good[:204] + other[204:],
		"no dot":             strings.Replace(good, good[203:205], "AA", 1),
		"a line break":       good[:100] + "\n" + good[101:],
		"padding":            good[:len(good)-1] + "=",
		"spaces around":      " " + good[:len(good)-1],
		"upper case":         strings.ToUpper(good),
		"letters of another": good[:20] + "é" + good[22:],
	} {
		if grant.RefreshTokenForm(text) {
			t.Errorf("%s: taken", what)
		}
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func FuzzRefreshTokenForm(f *testing.F) {
	good := grant.NewRefreshToken().Secret.Reveal()
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("rt1.." + strings.Repeat("A", 86))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if grant.RefreshTokenForm(text) && !publishedRefreshToken.MatchString(text) {
			t.Errorf("%q is taken and is not of the published form", text)
		}
	})
}
