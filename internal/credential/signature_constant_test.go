package credential_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// No code here, and none that finds what has leaked, looks at a shown signature,
// or at the hash that is kept of a key, a token or a client's secret, but the comparison that takes the same time wherever they differ.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	for name, c := range map[string]struct {
		field string
		want  int
	}{
		"signature.go": {"Signature", 1}, "signature_v4.go": {"Signature", 0}, "signature_v2.go": {"Signature", 0},
		"signature_derived.go": {"Signature", 0}, "temporary.go": {"Signature", 0}, "apikey.go": {"Hash", 1},
		"oauthtoken.go": {"Hash", 1}, "oauthclient.go": {"Hash", 1},
		"../cloudapi/leakapi/find.go": {"Hash", 1}, "../cloudapi/leakapi/find_oauthtoken.go": {"Hash", 1}, "../cloudapi/leakapi/find_oauthclient.go": {"Hash", 1},
	} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		uses, safe := 0, 0
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == c.field {
				uses++
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "ConstantTimeCompare" {
				for _, arg := range call.Args {
					ast.Inspect(arg, func(n ast.Node) bool {
						if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == c.field {
							safe++
						}
						return true
					})
				}
			}
			return true
		})
		if uses != safe || safe != c.want {
			t.Errorf("%s: %d uses of %s, %d of them in a comparison of constant time, want %d", name, uses, c.field, safe, c.want)
		}
	}
}

// What reads requests never learns which signature would have been right.
func TestReadingKnowsNoSecret(t *testing.T) {
	files, err := filepath.Glob("request*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && slices.Contains([]string{"hmac", "mac", "signingKey", "Reveal", "madeWith", "matches", "keyOf", "FindAccessKey"}, id.Name) {
				t.Errorf("%s uses %s", name, id.Name)
			}
			return true
		})
	}
}
