package web_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/web"
)

// formKey is the doors' secret.
var formKey = []byte("a key of thirty-two bytes or so.")

// browser is a person's: it keeps cookies, follows redirects and sends forms with
// what stands in them.
type browser struct {
	t      *testing.T
	town   *town
	server *httptest.Server
	client *http.Client
	header http.Header // sent with everything
}

func newDoor(t *testing.T, g web.Gate, change ...func(*web.Config)) *web.Door {
	t.Helper()
	c := web.Config{Gate: g, Key: formKey, Now: func() time.Time { return today }}
	for _, ch := range change {
		ch(&c)
	}
	d, err := web.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// pages serves a door as the server does: what it does not take is the API's, and
// a test says where its browser is.
func pages(d *web.Door) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if told := r.Header.Get("Test-Address"); told != "" {
			r.RemoteAddr = told
		}
		if web.Takes(r) {
			d.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"code":5}`)
	})
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	g := newTown()
	s := httptest.NewTLSServer(pages(newDoor(t, g, func(c *web.Config) { c.Now = g.now })))
	t.Cleanup(s.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, town: g, server: s, client: s.Client(), header: http.Header{}}
	b.client.Jar = jar
	b.header.Set("Accept", acceptHTML)
	return b
}

const acceptHTML = "text/html,application/xhtml+xml,*/*;q=0.8"

// shown is a page as it came.
type shown struct {
	*http.Response
	text string
	path string // where redirects have led
}

func (b *browser) do(r *http.Request) *shown {
	b.t.Helper()
	for name, values := range b.header {
		if r.Header.Get(name) == "" {
			r.Header[name] = values
		}
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return &shown{Response: res, text: string(text), path: res.Request.URL.RequestURI()}
}

func (b *browser) open(path string) *shown {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.server.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

// post sends a form as a page of the door would, to wherever its address leads.
func (b *browser) post(path string, form url.Values) *shown {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	inputTag = regexp.MustCompile(`<input[^>]*>`)
	nameOf   = regexp.MustCompile(` name="([^"]*)"`)
	valueOf  = regexp.MustCompile(` value="([^"]*)"`)
)

// form are the fields of the form with an action, as they stand on a page.
func (s *shown) form(t *testing.T, action string) url.Values {
	t.Helper()
	for _, f := range formTag.FindAllStringSubmatch(s.text, -1) {
		if html.UnescapeString(f[1]) != action {
			continue
		}
		out := url.Values{}
		for _, in := range inputTag.FindAllString(f[2], -1) {
			name, value := nameOf.FindStringSubmatch(in), valueOf.FindStringSubmatch(in)
			switch {
			case name == nil || strings.Contains(in, `type="checkbox"`):
			case value == nil:
				out.Set(name[1], "")
			default:
				out.Set(name[1], html.UnescapeString(value[1]))
			}
		}
		return out
	}
	t.Fatalf("%s has no form for %s:\n%s", s.path, action, s.text)
	return nil
}

// send fills a form of a page and sends it; pairs are fields and values.
func (b *browser) send(from *shown, action string, pairs ...string) *shown {
	b.t.Helper()
	form := from.form(b.t, action)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.post(action, form)
}

// signIn signs a person in and answers with the page to which that leads.
func (b *browser) signIn(login string) *shown {
	b.t.Helper()
	s := b.send(b.open("/login"), "/login", "login", login, "password", goodPassword)
	if login == "bob" {
		s = b.send(s, "/login/code", "code", goodCode)
	}
	if s.path != "/account" || s.StatusCode != http.StatusOK {
		b.t.Fatalf("%s is led to %s: %d\n%s", login, s.path, s.StatusCode, s.text)
	}
	return s
}

// wants fails the test unless a page has a status and all of some texts.
func (s *shown) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if s.StatusCode != status {
		t.Errorf("%s: status %d, want %d", s.path, s.StatusCode, status)
	}
	for _, text := range texts {
		if !strings.Contains(s.text, text) {
			t.Errorf("%s does not say %q:\n%s", s.path, text, s.text)
		}
	}
}
