package web_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readTexts reads a language's table.
func readTexts(t *testing.T, language string) map[string]string {
	t.Helper()
	file, err := os.ReadFile("texts/" + language + ".json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	if err := json.Unmarshal(file, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(file), `": "`); n != len(out) {
		t.Errorf("%s has %d lines for %d texts: one is there twice", language, n, len(out))
	}
	return out
}

var blank = regexp.MustCompile(`\{[a-z]+\}`)

// Both languages say everything, and fill in the same.
func TestLanguagesAgree(t *testing.T) {
	en, ru := readTexts(t, "en"), readTexts(t, "ru")
	for key, text := range en {
		other, ok := ru[key]
		if !ok || other == "" || text == "" {
			t.Errorf("%s: %q and %q", key, text, other)
			continue
		}
		mine, theirs := blank.FindAllString(text, -1), blank.FindAllString(other, -1)
		slices.Sort(mine)
		slices.Sort(theirs)
		if !slices.Equal(mine, theirs) {
			t.Errorf("%s: %v in English, %v in Russian", key, mine, theirs)
		}
	}
	for key := range ru {
		if _, ok := en[key]; !ok {
			t.Errorf("%s is in Russian alone", key)
		}
	}
}

var (
	inTemplate = regexp.MustCompile(`(?:\.T|Input "[a-z_]+") "([a-z_.]+)"|"hint=([a-z_.]+)"`)
	inGo       = regexp.MustCompile(`"([a-z][a-z_]*)(\.[a-z_]+)"`)
	problems   = regexp.MustCompile(`"(error\.[a-z_]+)"`)
	notes      = regexp.MustCompile(`(?:note=|")([a-z_]+)"`)
)

// Every text that a page shows is there, and none is left over.
func TestTextsAreUsed(t *testing.T) {
	en := readTexts(t, "en")
	used, kinds := map[string]bool{}, map[string]bool{}
	for key := range en {
		kind, _, _ := strings.Cut(key, ".")
		kinds[kind] = true
	}
	files, err := filepath.Glob("templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, more...) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inTemplate.FindAllSubmatch(file, -1) {
			for _, key := range m[1:] {
				if len(key) > 0 {
					used[string(key)] = true
				}
			}
		}
		for _, m := range inGo.FindAllSubmatch(file, -1) {
			if kind := string(m[1]); kinds[kind] && kind != "error" {
				used[kind+string(m[2])] = true
			}
		}
		for _, m := range problems.FindAllSubmatch(file, -1) {
			if key := string(m[1]); key != "error.request" && key != "error.back" {
				used[key+".title"], used[key+".text"] = true, true
			}
		}
		for _, m := range notes.FindAllSubmatch(file, -1) {
			if key := "note." + string(m[1]); en[key] != "" {
				used[key] = true
			}
		}
	}
	for key := range used {
		if en[key] == "" {
			t.Errorf("a page shows %s, which is in no table", key)
		}
	}
	// Of months, time and waiting, and of reasons that the sign-in's room gives.
	made := regexp.MustCompile(`^(month\.\d+|day|seconds|minutes|wait\..*|mistake\.(password_.*|login_.*|name_.*|email_.*|code|recovery_code|too_long))$`)
	for key := range en {
		if !used[key] && !made.MatchString(key) {
			t.Errorf("%s is shown nowhere", key)
		}
	}
}

// The language is the browser's until a person chooses one.
func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "ru": "ru", "ru-RU,ru;q=0.9,en;q=0.8": "ru", "en-US,en;q=0.9,ru;q=0.8": "en", "de,ru;q=0.5": "ru", "de": "en", "ru;q=0": "en",
		"en;q=0.1, RU;q=0.2": "ru", "ru;q=x": "en", "ru;q=-1": "en", "ru;q=NaN": "en", "*": "en", "russian": "en", ",,;q=1": "en", "de;q=1,en;q=0.3,ru;q=0.31": "ru",
	} {
		b := newBrowser(t)
		b.header.Set("Accept-Language", header)
		if s := b.open("/login"); s.Header.Get("Content-Language") != want {
			t.Errorf("%q: %s", header, s.Header.Get("Content-Language"))
		}
	}
}

// The choice of a language after a mistake costs neither a link nor the way back.
func TestChoiceOfLanguageAfterMistake(t *testing.T) {
	b := newBrowser(t)
	page := b.send(b.open("/reset?token="+goodReset), "/reset", "new_password", "x", "again", "y")
	page = b.send(page, "/language", "language", "ru")
	if page.wants(t, 200, `name="reset_token" value="`+goodReset+`"`); page.path != "/reset?token="+goodReset {
		t.Errorf("the link becomes %s", page.path)
	}
	page = b.send(b.open("/login?return=%2Faccount%2Ftokens"), "/login", "login", "alice", "password", "x")
	b.send(page, "/language", "language", "en").wants(t, 200, `name="return" value="/account/tokens"`)
	page = b.send(b.open("/login?return=%2Faccount%2Ftokens"), "/login", "login", "bob", "password", goodPassword)
	page = b.send(b.open(page.path+"&with=recovery"), "/login/code", "recovery_code", "wrong")
	b.send(page, "/language", "language", "ru").wants(t, 200, `name="return" value="/account/tokens"`, `name="recovery_code"`)
}

func TestChoiceOfLanguage(t *testing.T) {
	b := newBrowser(t)
	b.header.Set("Accept-Language", "ru")
	page := b.open("/login?return=%2Faccount%2Ftokens")
	page.wants(t, 200, "Вход")
	page = b.send(page, "/language", "language", "en")
	page.wants(t, 200, "Sign in", `name="return" value="/account/tokens"`)
	b.send(page, "/language", "language", "de").wants(t, 400)
	b.signIn("alice").wants(t, 200, "Overview")
	for _, elsewhere := range []string{"https://evil.example", "//evil.example", "/iam/v1/tokens", "/language", ""} {
		if s := b.send(b.open("/account"), "/language", "language", "ru", "return", elsewhere); s.path != "/account" {
			t.Errorf("%q leads to %s", elsewhere, s.path)
		}
	}
}
