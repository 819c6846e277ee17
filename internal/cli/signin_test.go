package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli"
)

func signInFile(config string) string {
	return filepath.Join(filepath.Dir(config), "sign-in", "default.json")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSignIn(t *testing.T) {
	f, p := cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	code, text, page := f.begin(t, path, "1\n", "--federation-endpoint", p.URL, "--dpop", "--debug")
	if code != 0 || page != 200 || !strings.Contains(text, "You are signed in.") {
		t.Fatalf("%d, %d, %s", code, page, text)
	}
	for _, secret := range []string{"\x1b", "t1.made", "rt1.", "the-code", "code_verifier", "PRIVATE"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown: %s", secret, text)
		}
	}
	if text := read(t, path); !strings.Contains(text, "folder-id: b1g2") || !strings.Contains(text, "federation-endpoint: "+p.URL) {
		t.Errorf("%s", text)
	}
	// It is renewed with the key, and the next refresh token is kept.
	for range 2 {
		if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "cache")); err != nil {
			t.Fatal(err)
		}
		if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 0 || !strings.HasPrefix(out, "t1.made.n") {
			t.Fatalf("%d, %s, %s", code, out, errs)
		}
		if !strings.Contains(read(t, signInFile(path)), p.current) {
			t.Error("the next refresh token is not kept")
		}
	}
	// With another key it is worth nothing.
	other := filepath.Join(t.TempDir(), "config.yaml")
	bound := p.jkt
	if code, text, _ := f.begin(t, other, "1\n", "--federation-endpoint", p.URL, "--dpop"); code != 0 {
		t.Fatal(text)
	}
	p.jkt = bound
	if err := os.RemoveAll(filepath.Join(filepath.Dir(other), "cache")); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := f.tree(t, other, nil, "iam create-token"); code != 1 || !strings.Contains(errs, "renew the sign-in: invalid_dpop_proof") {
		t.Errorf("%d, %s", code, errs)
	}
}

// TestNothingIsLost: whatever goes wrong while signing in, the profile is what it was.
func TestNothingIsLost(t *testing.T) {
	f, p := cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL); code != 0 {
		t.Fatal(text)
	}
	config, signIn := read(t, path), read(t, signInFile(path))
	for name, c := range map[string]struct {
		before func()
		typed  string
		args   []string
		code   int
		page   int
		text   string
	}{
		"a forged answer":    {before: func() { p.state = "forged" }, typed: "1\n", code: 130, page: 400, text: "interrupted"},
		"another server":     {before: func() { p.issuer = "https://evil.example" }, typed: "1\n", code: 130, page: 400, text: "interrupted"},
		"no such federation": {typed: "1\n", args: []string{"--federation-id", "unknown"}, code: 1, text: `does not know "unknown"`},
		"no server":          {typed: "1\n", args: []string{"--federation-endpoint", "http://127.0.0.1:1"}, code: 1, text: "find where people sign in"},
		"no TLS":             {typed: "1\n", args: []string{"--federation-endpoint", "http://iam.example.com"}, code: 2, text: "does not travel without TLS"},
		"nobody types":       {code: 2, text: "nobody answers"},
		"a bad token":        {typed: "1\n", args: []string{"--token", "t1.x.y"}, code: 2, text: "no OAuth token"},
	} {
		t.Run(name, func(t *testing.T) {
			p.state, p.issuer = "", ""
			if c.before != nil {
				c.before()
			}
			code, text, page := f.begin(t, path, c.typed, c.args...)
			if code != c.code || page != c.page || !strings.Contains(text, c.text) {
				t.Errorf("%d, %d, %s", code, page, text)
			}
			if read(t, path) != config || read(t, signInFile(path)) != signIn {
				t.Error("the profile has changed")
			}
		})
	}
	if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 0 || out != "t1.made.n1\n" {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
	// The profile cannot be written, though the sign-in can.
	p.state, p.issuer = "", ""
	lock := path + ".lock"
	if err := errors.Join(os.Remove(lock), os.Mkdir(lock, 0o700)); err != nil {
		t.Fatal(err)
	}
	if code, text, _ := f.begin(t, path, "1\n"); code != 1 || !strings.Contains(text, "config file") || read(t, path) != config || read(t, signInFile(path)) != signIn {
		t.Errorf("%d, %s", code, text)
	}
}

// TestOtherWays: a key file, the account of the machine, and an OAuth token take
// the place of a sign-in, and nothing of it stays.
func TestOtherWays(t *testing.T) {
	f, p := cloud(t), newPages(t)
	key := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(key, []byte(keyText(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"access_token":"t1.meta.data","expires_in":3600,"token_type":"Bearer"}`))
	}))
	defer machine.Close()
	for name, c := range map[string]struct {
		typed string
		args  []string
		keeps string
	}{
		"key file":         {"1\n1\n", []string{"init", "--key-file", key}, "service-account-key:"},
		"typed key file":   {"1\n4\n" + key + "\n1\n", []string{"init"}, "service-account-key:"},
		"machine":          {"1\n1\n", []string{"init", "--instance-service-account"}, "instance-service-account: true"},
		"chosen machine":   {"1\n5\n1\n", []string{"init"}, "instance-service-account: true"},
		"typed token":      {"1\n3\ny0_typed\n1\n", []string{"init"}, "token: y0_typed"},
		"a token, by hand": {"", []string{"config", "set", "token", "y0_set"}, "token: y0_set"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL); code != 0 {
				t.Fatal(text)
			}
			var out, errs bytes.Buffer
			code := cli.Main(t.Context(), cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_CONFIG=" + path,
				"YC_METADATA_ADDR=" + strings.TrimPrefix(machine.URL, "http://")}, Stdin: strings.NewReader(c.typed), Stdout: &out, Stderr: &errs, Now: time.Now}, "yc", c.args)
			text := read(t, path)
			if code != 0 || !strings.Contains(text, c.keeps) || strings.Contains(errs.String(), "y0_") {
				t.Errorf("%d, %s, %s", code, &errs, text)
			}
			if _, err := os.Stat(signInFile(path)); err == nil {
				t.Error("the sign-in is still there")
			}
		})
	}
}

// TestNextRefreshTokenCannotBeKept: the token that came with it is good, and the
// person is told what is going to happen.
func TestNextRefreshTokenCannotBeKept(t *testing.T) {
	f, p := cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL); code != 0 {
		t.Fatal(text)
	}
	folder := filepath.Dir(signInFile(path))
	if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "cache")); err != nil {
		t.Fatal(err)
	}
	p.meanwhile = func() {
		if err := errors.Join(os.Rename(folder, folder+".away"), os.WriteFile(folder, nil, 0o600)); err != nil {
			p.wrong = append(p.wrong, err.Error())
		}
	}
	code, out, errs := f.tree(t, path, nil, "iam create-token")
	if code != 0 || out != "t1.made.n2\n" || !strings.Contains(errs, "the new refresh token could not be kept, and the old one ends in a minute") || strings.Contains(errs, "rt1.") {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
}

// TestSignInThroughAProxy: the pages are reached as the API is.
func TestSignInThroughAProxy(t *testing.T) {
	f := cloud(t)
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.Host
		w.WriteHeader(http.StatusTeapot)
	}))
	defer proxy.Close()
	var errs bytes.Buffer
	code := cli.Main(t.Context(), cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_CONFIG=" + filepath.Join(t.TempDir(), "config.yaml"),
		"HTTPS_PROXY=" + strings.Replace(proxy.URL, "http://", "http://user:hunter2@", 1)}, Stdin: strings.NewReader(""), Stdout: &errs, Stderr: &errs, Now: time.Now},
		"yc", []string{"init", "--device", "--federation-endpoint", "iam.example.com"})
	if code != 1 || asked != "CONNECT iam.example.com:443" || !strings.Contains(errs.String(), "teapot") || strings.Contains(errs.String(), "hunter2") {
		t.Errorf("%d, %q, %s", code, asked, &errs)
	}
}

// TestManyRenewAtOnce: of many commands one uses the refresh token, which works
// only once, and all have the token that comes of it.
func TestManyRenewAtOnce(t *testing.T) {
	f, p := cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL); code != 0 {
		t.Fatal(text)
	}
	if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "cache")); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 0 || out != "t1.made.n2\n" {
				t.Errorf("%d, %s, %s", code, out, errs)
			}
		})
	}
	all.Wait()
	if p.refreshed != 1 {
		t.Errorf("%d uses of the refresh token", p.refreshed)
	}
	// What was revoked has ended, which says what to do, and shows no token.
	p.current = "rt1.another"
	if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "cache")); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := f.tree(t, path, nil, "iam create-token"); code != 2 || !strings.Contains(errs, "has ended: sign in again by init") || strings.Contains(errs, "rt1.") {
		t.Errorf("%d, %s", code, errs)
	}
}

// TestSignInAgain: without a refresh token the browser opens once more, where a
// person sits; in a script that is told.
func TestSignInAgain(t *testing.T) {
	f, p := cloud(t), newPages(t)
	p.refreshes = false
	path := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL, "--username", "alice"); code != 0 || !strings.Contains(text, "no refresh tokens") {
		t.Fatal(text)
	}
	atTerminal := func() (func(), error) { return func() {}, nil }
	again := func(hide func() (func(), error)) (int, string, string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "cache")); err != nil {
			t.Fatal(err)
		}
		who := &person{codes: make(chan int, 1), stop: func() { t.Error("the last page is a bad one") }}
		var out bytes.Buffer
		code := cli.Main(t.Context(), cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_CONFIG=" + path}, Stdin: strings.NewReader(""),
			Stdout: &out, Stderr: who, Now: time.Now, Version: "1", HideTyping: hide}, "yc", []string{"iam", "create-token", "--no-browser"})
		if who.visited {
			<-who.codes
		}
		return code, out.String(), who.text.String()
	}
	if code, out, errs := again(nil); code != 2 || out != "" || !strings.Contains(errs, "sign in again by init") {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
	if code, out, errs := again(atTerminal); code != 0 || out != "t1.made.n2\n" || !strings.Contains(errs, "via username 'alice'") {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
	if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 0 || out != "t1.made.n2\n" {
		t.Errorf("it was not kept: %d, %s, %s", code, out, errs)
	}
	// Another federation, set by hand: he signs in through it, once.
	for n, federation := range []string{"fed1", "fed2"} {
		if code, _, errs := f.tree(t, path, nil, "config set federation-id "+federation); code != 0 {
			t.Fatal(errs)
		}
		want := fmt.Sprintf("t1.made.n%d\n", 3+n)
		if code, out, errs := again(atTerminal); code != 0 || out != want || !strings.Contains(errs, "via federation-id '"+federation+"'") {
			t.Errorf("%d, %s, %s", code, out, errs)
		}
		if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 0 || out != want {
			t.Errorf("it was not kept: %d, %s, %s", code, out, errs)
		}
	}
	if code, _, errs := f.tree(t, path, nil, "config set federation-id unknown"); code != 0 {
		t.Fatal(errs)
	}
	if code, _, errs := again(atTerminal); code != 1 || !strings.Contains(errs, `does not know "unknown"`) {
		t.Errorf("%d, %s", code, errs)
	}
}
