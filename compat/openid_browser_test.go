//go:build unix

package compat_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// person is somebody with a browser: enough of one to fill in forms.
type person struct {
	login, password string
	home            string // the server's origin, whose forms are filled in
	client          *http.Client
}

func newPerson(home, login, password string) *person {
	jar, _ := cookiejar.New(nil) // never fails
	return &person{login: login, password: password, home: home, client: &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: wantsPages{}}}
}

// wantsPages sends what browsers do and programs do not.
type wantsPages struct{}

func (wantsPages) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	return http.DefaultTransport.RoundTrip(r)
}

// mostPages is how many pages a person looks at before losing patience.
const mostPages = 8

// walk opens an address and goes on from page to page, signing in and allowing
// what is asked, until there is nothing to fill in; it returns where that was.
func (p *person) walk(t *testing.T, address string) *url.URL {
	t.Helper()
	answer, err := p.client.Get(address)
	for range mostPages {
		if err != nil {
			t.Fatal(err)
		}
		page, body := readPage(t, answer)
		at := answer.Request.URL
		form := p.form(page)
		if !strings.HasPrefix(at.String(), p.home+"/") || form == nil {
			if answer.StatusCode != http.StatusOK {
				t.Fatalf("%s answers %s:\n%.2000s", at, answer.Status, body)
			}
			return at
		}
		answer, err = p.client.PostForm(at.ResolveReference(form.action).String(), form.values)
	}
	t.Fatalf("still asked after %d pages, at %s", mostPages, answer.Request.URL)
	return nil
}

func readPage(t *testing.T, answer *http.Response) (*html.Node, string) {
	t.Helper()
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	page, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return page, string(body)
}

type filledForm struct {
	action *url.URL
	values url.Values
}

// form fills in the page's form that asks for a password or a device's code, or the
// one that lets a program in; nil when there is none.
func (p *person) form(page *html.Node) *filledForm {
	for n := range page.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		f := &filledForm{values: url.Values{}}
		f.action, _ = url.Parse(attribute(n, "action"))
		wanted := false
		for field := range n.Descendants() {
			if field.Type != html.ElementNode || (field.Data != "input" && field.Data != "button") {
				continue
			}
			name, value := attribute(field, "name"), attribute(field, "value")
			switch {
			case field.Data == "button" && value == "allow":
				wanted = true
				f.values.Set(name, value)
			case field.Data == "button" || name == "":
			case attribute(field, "type") == "password":
				wanted = true
				f.values.Set(name, p.password)
			case name == "login":
				f.values.Set(name, p.login)
			case name == "user_code": // a device's, which the address has filled in
				wanted = true
				f.values.Set(name, value)
			default:
				f.values.Set(name, value)
			}
		}
		if wanted && f.action != nil {
			return f
		}
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (p *person) String() string { return fmt.Sprintf("%s at %s", p.login, p.home) }
