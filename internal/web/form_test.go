package web_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What is no form, or not one form, is refused before the gate hears of it.
func TestFormsRefused(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	good := "login=alice&password=x"
	for name, c := range map[string]struct {
		kind, body string
		status     int
		says       string
	}{
		"JSON":              {"application/json", `{"login":"alice"}`, 415, "not a form"},
		"no content type":   {"", good, 415, "not a form"},
		"a file form":       {"multipart/form-data; boundary=x", good, 415, "not a form"},
		"another charset":   {form + "; charset=koi8-r", good, 415, "not a form"},
		"1 MB":              {form, "login=" + strings.Repeat("x", 1<<20), 413, "64 KiB"},
		"64 KiB and 1":      {form, strings.Repeat("x", 64<<10+1), 413, "64 KiB"},
		"a field twice":     {form, good + "&login=bob", 400, "cannot be read"},
		"twice, encoded":    {form, good + "&%6Cogin=bob", 400, "cannot be read"},
		"a broken escape":   {form, "login=%zz", 400, "cannot be read"},
		"no UTF-8":          {form, "login=%ff", 400, "cannot be read"},
		"a zero byte":       {form, "login=a%00b", 400, "cannot be read"},
		"no UTF-8 in names": {form, "%ff=x", 400, "cannot be read"},
		"nothing":           {form, "", 403, "out of date"},
	} {
		b := newBrowser(t)
		r, err := http.NewRequest(http.MethodPost, b.server.URL+"/login", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.kind)
		s := b.do(r)
		if s.StatusCode != c.status || !strings.Contains(s.text, c.says) || b.town.calls() != 0 {
			t.Errorf("%s: %d, want %d and %q:\n%s", name, s.StatusCode, c.status, c.says, s.text)
		}
	}
}

// A form whose length is not told is refused all the same, and one that is
// compressed too.
func TestFormsWithoutLength(t *testing.T) {
	b := newBrowser(t)
	for encoding, status := range map[string]int{"": 413, "gzip": 415} {
		r, err := http.NewRequest(http.MethodPost, b.server.URL+"/login", io.MultiReader(bytes.NewReader(make([]byte, 1<<20))))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		if s := b.do(r); s.StatusCode != status {
			t.Errorf("%q: %d, want %d", encoding, s.StatusCode, status)
		}
	}
}

func TestQueriesRefused(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	for _, q := range []string{"?page=a&page=b", "?page=%zz", "?page=%ff"} {
		b.open("/account/sessions"+q).wants(t, 400, "This link cannot be read")
	}
}
