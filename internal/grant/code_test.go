package grant_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/grant"
)

func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		code, lookup := grant.NewCode()
		text := code.Reveal()
		found, ok := grant.CodeLookup(text)
		if !ok || found != lookup || len(lookup) != 64 || strings.Contains(lookup, text) || !strings.HasPrefix(text, "ac1.") || seen[text] {
			t.Fatal("a fresh code does not lead to what is kept of it")
		}
		seen[text] = true
		if fmt.Sprint(code) == text {
			t.Fatal("a code shows itself")
		}
	}
	code, _ := grant.NewCode()
	text := code.Reveal()
	for what, bad := range map[string]string{
		"none": "", "cut": text[:len(text)-1], "longer": text + "A", "another prefix": "rt1." + text[4:], "a line break": text[:20] + "\n" + text[21:],
		"padding": text[:len(text)-1] + "=", "plus": text[:len(text)-1] + "+", "not ASCII": text[:len(text)-2] + "é", "in capitals": "AC1." + text[4:],
	} {
		if _, ok := grant.CodeLookup(bad); ok {
			t.Errorf("%s: taken for a code", what)
		}
	}
}

func FuzzCodeLookup(f *testing.F) {
	code, _ := grant.NewCode()
	for _, seed := range []string{"", "ac1.", code.Reveal(), "ac1." + strings.Repeat("é", 21) + "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lookup, ok := grant.CodeLookup(text)
		if ok != (lookup != "") || ok && (len(text) != 47 || strings.Trim(text[4:], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "") {
			t.Errorf("%q: %v", text, ok)
		}
	})
}
