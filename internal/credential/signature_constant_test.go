package credential_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// No code here looks at a shown signature but the comparison that takes the
// same time wherever it differs.
func TestSignatureIsComparedInConstantTime(t *testing.T) {
	for _, name := range []string{"signature.go", "signature_v4.go", "signature_v2.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		uses, safe := 0, 0
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Signature" {
				uses++
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "ConstantTimeCompare" {
				for _, arg := range call.Args {
					ast.Inspect(arg, func(n ast.Node) bool {
						if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Signature" {
							safe++
						}
						return true
					})
				}
			}
			return true
		})
		if uses != safe || name == "signature.go" && safe != 1 {
			t.Errorf("%s: %d uses of a shown signature, %d of them in a comparison of constant time", name, uses, safe)
		}
	}
}
