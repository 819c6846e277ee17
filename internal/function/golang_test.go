package function_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

const goHandlers = `// A licence.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

type Request struct { Name string }

func Handler(ctx context.Context, r *Request) (map[string]any, error) {
	fmt.Println("printed")
	_, limited := ctx.Deadline()
	return map[string]any{"name": r.Name, "id": ctx.Value("lambdaRuntimeFunctionName"), "version": ctx.Value("lambdaRuntimeFunctionVersion"),
		"memory": ctx.Value("lambdaRuntimeMemoryLimit"), "request": ctx.Value("lambdaRuntimeRequestID") != "", "token": ctx.Value("lambdaRuntimeTokenJSON"), "limited": limited}, nil
}
func Bytes(b []byte) ([]byte, error) { return b, nil }
func Text(s string) (string, error) { return s + "!", nil }
func Nothing() error { return nil }
func Fails(ctx context.Context) error { return errors.New("an error") }
func Panics() (int, error) { a := []int{1}; return a[len(a)+3], nil }
func Web(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Add("X-A", "1")
	w.Header().Add("X-A", "2")
	w.WriteHeader(201)
	fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.Path, r.URL.Query()["n"], r.Header.Get("X-In"), body)
}
var Object http.Handler = http.HandlerFunc(Web)
func Wrong(a, b, c int) {}
func main() { panic("the program around the handler is another") }
`

func goFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestGo(t *testing.T) {
	needs(t, "go")
	if testing.Short() {
		t.Skip("builds programs")
	}
	dir := goFolder(t, map[string]string{"fn.go": goHandlers, "ignored.go": "//go:build ignore\n\npackage other\n"})
	event := `{"httpMethod":"PUT","path":"/a","multiValueHeaders":{"X-In":["in"]},"multiValueQueryStringParameters":{"n":["1","2"]},"body":"Ym9keQ==","isBase64Encoded":true}`
	web := `{"body":"UFVUIC9hIFsxIDJdIGluIGJvZHk=","isBase64Encoded":true,"multiValueHeaders":{"X-A":["1","2"]},"statusCode":201}`
	for name, c := range map[string][2]string{
		"Bytes": {"\xff", "\xff"}, "Text": {"a", "a!"}, "Nothing": {"{", ""}, "Web": {event, web}, "Object": {event, web},
	} {
		r, _ := start(t, nil, dir+"/fn."+name)
		wants(t, r, c[0], c[1])
	}
	r, _ := start(t, nil, dir+"/fn.Fails")
	fails(t, r, "", "UserCodeError", "an error")
	r, _ = start(t, nil, dir+"/fn.Wrong")
	fails(t, r, "", "UserCodeError", "Wrong is a func(int, int, int)")
	r, _ = start(t, nil, dir+"/fn.Panics")
	f := fails(t, r, "", "UserCodePanic", "user code execution causes panic: runtime error: index out of range [4] with length 1")
	if stack := strings.Join(f.Stack, "\n"); !strings.Contains(stack, "fn.go:25") || strings.Contains(stack, "reflect") {
		t.Errorf("stack: %s", stack)
	}
	fails(t, r, "", "UserCodePanic", "") // in the same process
	if left, err := filepath.Glob(dir + "/*"); err != nil || len(left) != 2 {
		t.Errorf("files: %v, %v", left, err)
	}
}

// TestGoModule: a package of a module, with what is internal to it, and the context.
func TestGoModule(t *testing.T) {
	needs(t, "go")
	if testing.Short() {
		t.Skip("builds programs")
	}
	dir := goFolder(t, map[string]string{
		"go.mod":                     "module example.com/app\n\ngo 1.21\n",
		"fn/internal/words/words.go": "package words\n\nconst Hello = \"hello\"\n",
		"fn/fn.go":                   "package fn\n\nimport \"example.com/app/fn/internal/words\"\n\nfunc Handler(name string) (string, error) { return words.Hello + \" \" + name, nil }\n",
		"fn/fn_test.go":              "package fn\n\nthis is no Go",
		"bad/bad.go":                 "package bad\n\nfunc Handler() error { return nothing }\n",
	})
	r, _ := start(t, nil, dir+"/fn")
	wants(t, r, "Ann", "hello Ann")
	h, err := function.Find([]string{dir + "/bad"}, "go")
	if err != nil {
		t.Fatal(err)
	}
	f := function.Function{Handler: h, Memory: 1, Timeout: time.Second, Instances: 1, Log: function.NewLogbook(io.Discard), Now: time.Now}
	if _, err := function.Start(t.Context(), f); err == nil || !strings.Contains(err.Error(), "undefined: nothing") {
		t.Errorf("a handler that does not compile: %v", err)
	}
	r, _ = start(t, func(f *function.Function) {
		f.Token = tokens(iamclient.Token{Text: iam.NewSecret("secret"), ExpiresAt: time.Now().Add(time.Hour)})
	}, goFolder(t, map[string]string{"fn.go": goHandlers}))
	text, err := invoke(r, `{"Name":"Ann"}`)
	var got struct {
		Name, ID, Version, Token string
		Memory                   int
		Request, Limited         bool
	}
	if err != nil || json.Unmarshal([]byte(text), &got) != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if got.Name != "Ann" || got.ID != "d4efunction" || got.Version != "d4eversion" || got.Memory != 128 || !got.Request || !got.Limited ||
		!strings.HasPrefix(got.Token, `{"access_token":"secret","expires_in":35`) {
		t.Errorf("%+v", got)
	}
	fails(t, r, "{", "UserCodeError", "no JSON")
}
