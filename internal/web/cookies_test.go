package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/web"
)

// set are the cookies that a request leaves behind.
func set(t *testing.T, d *web.Door, url string, cookies ...string) map[string]*http.Cookie {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.Header.Set("Cookie", strings.Join(cookies, "; "))
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	out := map[string]*http.Cookie{}
	for _, c := range w.Result().Cookies() {
		out[c.Name] = c
	}
	return out
}

// Cookies are of this host alone, sent over TLS alone where there is any, and no
// script reads them.
func TestCookies(t *testing.T) {
	b := newBrowser(t)
	var all []*http.Cookie
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error { all = append(all, r.Response.Cookies()...); return nil }
	page := b.open("/login")
	all = append(all, page.Cookies()...)
	b.send(page, "/language", "language", "en")
	b.signIn("bob")
	seen := map[string]bool{}
	for _, c := range all {
		if seen[c.Name] = true; !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("%s", c.Raw)
		}
		if c.Name == "__Host-yc_session" && c.MaxAge != 12*3600 || c.Name == "__Host-propusk_ticket" && c.MaxAge != 300 && c.MaxAge != -1 {
			t.Errorf("%s lives %d s", c.Name, c.MaxAge)
		}
	}
	for _, name := range []string{"yc_session", "propusk_ticket", "propusk_visitor", "propusk_language"} {
		if !seen["__Host-"+name] {
			t.Errorf("%s is never set", name)
		}
	}
}

// Without TLS the names differ; behind a proxy that ends TLS they do not.
func TestCookiesWithoutTLS(t *testing.T) {
	g := newTown()
	plain, proxied := newDoor(t, g), newDoor(t, g, func(c *web.Config) { c.Encrypted = true })
	for name, c := range map[string]struct {
		door   *web.Door
		url    string
		cookie string
		secure bool
	}{
		"loopback": {plain, "http://127.0.0.1:8080/login", "propusk_visitor", false},
		"TLS":      {plain, "https://iam.example/login", "__Host-propusk_visitor", true},
		"proxy":    {proxied, "http://10.0.0.1:8080/login", "__Host-propusk_visitor", true},
	} {
		got := set(t, c.door, c.url)[c.cookie]
		if got == nil || got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Browsers are told to come over TLS alone where somebody has said that they do,
// under a name that is this server's: not on a development server, and not of a
// machine where others listen.
func TestStrictTransport(t *testing.T) {
	for _, c := range []struct {
		encrypted bool
		origin    string
		want      string
	}{
		{true, "https://id.example", "max-age=31536000"},
		{true, "https://id.example:8443", "max-age=31536000"},
		{false, "https://id.example", ""},
		{true, "", ""},
		{true, "http://id.example", ""},
		{true, "https://localhost:8443", ""},
		{true, "https://id.localhost", ""},
		{true, "https://192.0.2.7", ""},
		{true, "https://[2001:db8::7]:8443", ""},
	} {
		d := newDoor(t, newTown(), func(w *web.Config) { w.Encrypted, w.Origin = c.encrypted, c.origin })
		for _, path := range []string{"/login", "/account", "/assets/none", "/login/none"} {
			w := httptest.NewRecorder()
			d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://id.example"+path, nil))
			if got := w.Header().Get("Strict-Transport-Security"); got != c.want {
				t.Errorf("%v, %s, %s: %q", c.encrypted, c.origin, path, got)
			}
		}
	}
}

// A cookie that was set in the clear, one of two, or one cut short is none.
func TestCookiesOfNoWorth(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	cookie := ""
	for c := range b.town.sessions {
		cookie = c
	}
	door := newDoor(t, b.town)
	for name, c := range map[string]struct {
		url, cookies string
		good         bool
	}{
		"as it was set":      {"https://host/account", "__Host-yc_session=" + cookie, true},
		"set in the clear":   {"https://host/account", "yc_session=" + cookie, false},
		"TLS's in the clear": {"http://host/account", "__Host-yc_session=" + cookie, false},
		"one of two":         {"https://host/account", "__Host-yc_session=" + cookie + "; __Host-yc_session=x", false},
		"the same twice":     {"https://host/account", "__Host-yc_session=" + cookie + "; __Host-yc_session=" + cookie, false},
		"cut short":          {"https://host/account", "__Host-yc_session=" + cookie[:len(cookie)-1], false},
		"too long":           {"https://host/account", "__Host-yc_session=" + strings.Repeat("x", 1001), false},
		"quoted":             {"https://host/account", `__Host-yc_session="` + cookie + `x"`, false},
		"empty":              {"https://host/account", "__Host-yc_session=", false},
	} {
		r := httptest.NewRequest(http.MethodGet, c.url, nil)
		r.Header.Set("Cookie", c.cookies)
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		if got := w.Code == http.StatusOK; got != c.good {
			t.Errorf("%s: status %d", name, w.Code)
		}
		if !c.good && !strings.HasPrefix(w.Header().Get("Location"), "/login") {
			t.Errorf("%s leads to %q", name, w.Header().Get("Location"))
		}
	}
}

// A visitor's cookie that is not of the door's making is replaced; a good one stays.
func TestVisitor(t *testing.T) {
	d := newDoor(t, newTown())
	good := set(t, d, "https://host/login")["__Host-propusk_visitor"]
	for value, replaced := range map[string]bool{good.Value: false, "": true, "x": true, "AAAA": true, good.Value + "A": true, strings.Repeat("-", 22): true} {
		if got := set(t, d, "https://host/login", "__Host-propusk_visitor="+value)["__Host-propusk_visitor"] != nil; got != replaced {
			t.Errorf("%q: replaced %v", value, got)
		}
	}
}

func TestNew(t *testing.T) {
	for name, change := range map[string]func(*web.Config){
		"no gate":      func(c *web.Config) { c.Gate = nil },
		"no clock":     func(c *web.Config) { c.Now = nil },
		"a short key":  func(c *web.Config) { c.Key = c.Key[:15] },
		"a bad origin": func(c *web.Config) { c.Origin = "iam.example.com" },
		"a path in it": func(c *web.Config) { c.Origin = "https://iam.example.com/x" },
	} {
		c := web.Config{Gate: newTown(), Key: formKey, Now: func() time.Time { return today }}
		change(&c)
		if _, err := web.New(c); err == nil {
			t.Errorf("%s: a door is made", name)
		}
	}
}
