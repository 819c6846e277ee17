package upstream_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/upstream"
	"github.com/propusk/propusk/internal/upstream/upstreamtest"
)

type claims = upstreamtest.Claims

const back = "https://id.example/login/from/one"

// world is a room with one provider, and a clock.
type world struct {
	t    *testing.T
	p    *upstreamtest.Provider
	room *upstream.Providers
	mu   sync.Mutex
	plus time.Duration
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.plus)
}

func (w *world) advance(d time.Duration) { w.mu.Lock(); w.plus += d; w.mu.Unlock() }

func newWorld(t *testing.T, change ...func(*upstream.Provider)) *world {
	t.Helper()
	w := &world{t: t, p: upstreamtest.New(t)}
	w.p.Clock(w.now)
	c := upstream.Provider{ID: "one", Title: "One", Issuer: w.p.URL, ClientID: upstreamtest.ClientID, ClientSecret: iam.NewSecret(upstreamtest.ClientSecret),
		Scopes: []string{"openid", "email"}}
	for _, ch := range change {
		ch(&c)
	}
	w.room = upstream.New(upstream.Config{Providers: []upstream.Provider{c}, Now: w.now})
	return w
}

var alice = claims{"sub": "sub-of-alice", "email": "alice@example.com", "email_verified": true, "name": "Alice Liddell", "preferred_username": "alice"}

// journey sends a browser to the provider, where it allows, and is what it comes
// back with.
func (w *world) journey(account claims) upstream.Answer {
	w.t.Helper()
	j, err := w.room.Begin(w.t.Context(), "one", back)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(w.p.Allow(j.URL, account))
	if err != nil || u.Query().Get("state") != j.State.Reveal() {
		w.t.Fatalf("%v: the state is another one", err)
	}
	return upstream.Answer{Code: iam.NewSecret(u.Query().Get("code")), Issuer: u.Query().Get("iss"), Browser: j.Browser, Back: back}
}

func (w *world) signIn(account claims) (*upstream.Person, error) {
	w.t.Helper()
	return w.room.Finish(w.t.Context(), "one", w.journey(account))
}

// refused checks the kind and the reason of a refusal, and that its text repeats
// nothing that the provider has said.
func refused(t *testing.T, what string, err error, kind iam.Kind, reason string) {
	t.Helper()
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Reason != reason {
		t.Errorf("%s: %v, want %v %s", what, err, kind, reason)
		return
	}
	if strings.Contains(e.Message, "evil") {
		t.Errorf("%s: the message is %q", what, e.Message)
	}
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	if n := w.p.Asked("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("the provider was asked %d times before anybody went there", n)
	}
	for range 3 {
		who, err := w.signIn(alice)
		if err != nil || who.Subject != "sub-of-alice" || who.Email != "alice@example.com" || !who.EmailVerified || who.Name != "Alice Liddell" || who.Login != "alice" {
			t.Fatalf("%+v, %v", who, err)
		}
	}
	for path, want := range map[string]int{"/.well-known/openid-configuration": 1, "/keys": 1, "/token": 3, "/userinfo": 0} {
		if n := w.p.Asked(path); n != want {
			t.Errorf("%s was asked %d times, want %d", path, n, want)
		}
	}
	w.advance(61 * time.Minute)
	if _, err := w.signIn(alice); err != nil || w.p.Asked("/keys") != 2 || w.p.Asked("/.well-known/openid-configuration") != 2 {
		t.Errorf("after an hour: %v, keys asked %d times", err, w.p.Asked("/keys"))
	}
}

func TestEveryAlgorithm(t *testing.T) {
	w := newWorld(t)
	for i, a := range []string{"PS256", "ES256", "EdDSA", "RS256"} {
		w.p.Publish(upstreamtest.NewKey(t, a, fmt.Sprint("key-", i)))
		w.advance(11 * time.Second)
		if _, err := w.signIn(alice); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// What an ID token may not say.
func TestClaimsThatProveNobody(t *testing.T) {
	w := newWorld(t)
	now := func() int64 { return w.now().Unix() }
	for what, change := range map[string]func(h, c claims){
		"another nonce":         func(_, c claims) { c["nonce"] = "evil" },
		"no nonce":              func(_, c claims) { delete(c, "nonce") },
		"an empty nonce":        func(_, c claims) { c["nonce"] = "" },
		"another issuer":        func(_, c claims) { c["iss"] = w.p.URL + "/" },
		"no issuer":             func(_, c claims) { delete(c, "iss") },
		"another client":        func(_, c claims) { c["aud"] = "evil" },
		"no audience":           func(_, c claims) { delete(c, "aud") },
		"an audience of others": func(_, c claims) { c["aud"] = []string{"evil", "other"} },
		"several, without azp":  func(_, c claims) { c["aud"] = []string{upstreamtest.ClientID, "evil"} },
		"azp of another":        func(_, c claims) { c["azp"] = "evil" },
		"azp that is no text":   func(_, c claims) { c["azp"] = 7 },
		"expired":               func(_, c claims) { c["exp"] = now() - 61 },
		"no end":                func(_, c claims) { delete(c, "exp") },
		"an end that is text":   func(_, c claims) { c["exp"] = fmt.Sprint(now() + 300) },
		"an end too far off":    func(_, c claims) { c["exp"] = 1e300 },
		"from the future":       func(_, c claims) { c["iat"] = now() + 120 },
		"of yesterday":          func(_, c claims) { c["iat"] = now() - 86400 },
		"no beginning":          func(_, c claims) { delete(c, "iat") },
		"not yet":               func(_, c claims) { c["nbf"] = now() + 120 },
		"another access token":  func(_, c claims) { c["at_hash"] = upstreamtest.AccessHash("RS256", "evil") },
		"at_hash that is none":  func(_, c claims) { c["at_hash"] = 7 },
		"no subject":            func(_, c claims) { delete(c, "sub") },
		"a number for subject":  func(_, c claims) { c["sub"] = 7 },
		"a long subject":        func(_, c claims) { c["sub"] = strings.Repeat("s", 256) },
		"a subject with a NUL":  func(_, c claims) { c["sub"] = "a\x00b" },
		"names in capitals":     func(_, c claims) { delete(c, "sub"); c["SUB"] = "evil" },
		"an extension":          func(h, _ claims) { h["crit"] = []string{"exp"} },
		"another key's id":      func(h, _ claims) { h["kid"] = "evil" },
		"a key id of no form":   func(h, _ claims) { h["kid"] = 7 },
		"another algorithm":     func(h, _ claims) { h["alg"] = "PS256" },
		"an unknown algorithm":  func(h, _ claims) { h["alg"] = "RS1" },
	} {
		w.p.Change(change)
		_, err := w.signIn(alice)
		refused(t, what, err, iam.Unauthenticated, "provider_answer")
	}
	for what, change := range map[string]func(h, c claims){
		"a list of one":         func(_, c claims) { c["aud"] = []string{upstreamtest.ClientID} },
		"several, and azp":      func(_, c claims) { c["aud"] = []string{"x", upstreamtest.ClientID}; c["azp"] = upstreamtest.ClientID },
		"a clock a bit behind":  func(_, c claims) { c["iat"] = now() + 50 },
		"without at_hash":       func(_, c claims) { delete(c, "at_hash") },
		"without the key's id":  func(h, _ claims) { delete(h, "kid") },
		"a fraction of seconds": func(_, c claims) { c["exp"] = float64(now()) + 300.5 },
	} {
		w.p.Change(change)
		if _, err := w.signIn(alice); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// How an ID token may not be signed.
func TestSignaturesThatProveNobody(t *testing.T) {
	w := newWorld(t)
	key, stranger := upstreamtest.NewKey(t, "RS256", "first"), upstreamtest.NewKey(t, "RS256", "first")
	w.p.Publish(key)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for what, sign := range map[string]func(h, c claims) string{
		"none":                     func(h, c claims) string { h["alg"] = "none"; return upstreamtest.Unsigned(h, c) + "." },
		"None":                     func(h, c claims) string { h["alg"] = "None"; return upstreamtest.Unsigned(h, c) + "." },
		"none with two parts":      func(h, c claims) string { h["alg"] = "none"; return upstreamtest.Unsigned(h, c) },
		"HS256 with the key":       func(h, c claims) string { return upstreamtest.SignHMAC(public, h, c) },
		"HS256 with the modulus":   func(h, c claims) string { return upstreamtest.SignHMAC([]byte(fmt.Sprint(key.JWK["n"])), h, c) },
		"HS256 with our secret":    func(h, c claims) string { return upstreamtest.SignHMAC([]byte(upstreamtest.ClientSecret), h, c) },
		"a stranger's key":         stranger.Sign,
		"a key that it brings":     func(h, c claims) string { h["jwk"] = stranger.JWK; return stranger.Sign(h, c) },
		"a key that it points to":  func(h, c claims) string { h["jku"] = w.p.URL + "/evil"; return stranger.Sign(h, c) },
		"no signature":             func(h, c claims) string { return upstreamtest.Unsigned(h, c) + "." },
		"a signature of something": func(h, c claims) string { return upstreamtest.Unsigned(h, c) + ".AAAA" },
		"two tokens":               func(h, c claims) string { return key.Sign(h, c) + "." + key.Sign(h, c) },
		"padding":                  func(h, c claims) string { return key.Sign(h, c) + "==" },
		"a line's end":             func(h, c claims) string { return key.Sign(h, c) + "\n" },
		"nothing":                  func(h, c claims) string { return "" },
		"no JSON":                  func(h, c claims) string { return "evil.evil.evil" },
		"a list":                   func(h, c claims) string { return upstreamtest.Text([]byte("[]")) + ".e30.AAAA" },
		"a long one":               func(h, c claims) string { c["x"] = strings.Repeat("x", 40<<10); return key.Sign(h, c) },
		"claims after signing": func(h, c claims) string {
			parts := strings.Split(key.Sign(h, c), ".")
			c["sub"] = "evil"
			return upstreamtest.Unsigned(h, c) + "." + parts[2]
		},
	} {
		w.p.Sign(sign)
		_, err := w.signIn(alice)
		refused(t, what, err, iam.Unauthenticated, "provider_answer")
	}
	if n := w.p.Asked("/evil"); n != 0 {
		t.Errorf("a key was fetched from where the token said, %d times", n)
	}
	if n := w.p.Asked("/keys"); n != 1 {
		t.Errorf("keys were asked for %d times", n)
	}
}

// A code, a browser and an address belong together.
func TestJourneysDoNotMix(t *testing.T) {
	w := newWorld(t)
	mine, other := w.journey(alice), w.journey(claims{"sub": "evil"})
	for what, a := range map[string]upstream.Answer{
		"another's code":       {Code: other.Code, Browser: mine.Browser, Back: back, Issuer: w.p.URL}, // PKCE
		"another address":      {Code: w.journey(alice).Code, Browser: mine.Browser, Back: back + "x", Issuer: w.p.URL},
		"another issuer":       {Code: mine.Code, Browser: mine.Browser, Back: back, Issuer: "https://evil.example"},
		"neither code nor no":  {Browser: mine.Browser, Back: back},
		"an error of no form":  {Browser: mine.Browser, Back: back, Error: "<evil>"},
		"an error":             {Browser: mine.Browser, Back: back, Error: "server_error", Code: mine.Code},
		"a code of nobody":     {Code: iam.NewSecret("evil"), Browser: mine.Browser, Back: back},
		"the code of no nonce": {Code: mine.Code, Browser: other.Browser, Back: back},
	} {
		_, err := w.room.Finish(t.Context(), "one", a)
		refused(t, what, err, iam.Unauthenticated, "provider_answer")
	}
	_, err := w.room.Finish(t.Context(), "one", upstream.Answer{Browser: mine.Browser, Back: back, Error: "access_denied"})
	refused(t, "no", err, iam.Unauthenticated, "provider_declined")
	a := w.journey(alice)
	if _, err := w.room.Finish(t.Context(), "one", a); err != nil {
		t.Fatal(err)
	}
	_, err = w.room.Finish(t.Context(), "one", a)
	refused(t, "a code that was used", err, iam.Unauthenticated, "provider_answer")
	_, err = w.room.Begin(t.Context(), "evil", back)
	refused(t, "an unknown provider", err, iam.NotFound, "provider_unknown")
	if !upstream.SameBrowser(a.Browser, upstream.BrowserMark(a.Browser)) || upstream.SameBrowser(other.Browser, upstream.BrowserMark(a.Browser)) ||
		upstream.SameBrowser(iam.Secret{}, upstream.BrowserMark(iam.Secret{})) || upstream.SameBrowser(a.Browser, "") {
		t.Error("browsers are taken for each other")
	}
}

// A provider that says of itself that it names itself in answers has to.
func TestIssuerIsAskedFor(t *testing.T) {
	w := newWorld(t)
	w.p.Discover(claims{"authorization_response_iss_parameter_supported": true})
	a := w.journey(alice)
	a.Issuer = ""
	_, err := w.room.Finish(t.Context(), "one", a)
	refused(t, "an answer without iss", err, iam.Unauthenticated, "provider_answer")
	if _, err := w.signIn(alice); err != nil {
		t.Error(err)
	}
}

// The provider takes another key: the next sign-in finds it, and a storm of tokens
// with unknown keys asks for keys once.
func TestKeysChange(t *testing.T) {
	w := newWorld(t)
	if _, err := w.signIn(alice); err != nil {
		t.Fatal(err)
	}
	old := upstreamtest.NewKey(t, "RS256", "old")
	w.advance(15 * time.Second)
	w.p.Publish(old, upstreamtest.NewKey(t, "ES256", "new"))
	if _, err := w.signIn(alice); err != nil || w.p.Asked("/keys") != 2 {
		t.Fatalf("%v, keys were asked for %d times", err, w.p.Asked("/keys"))
	}
	w.p.Change(func(h, _ claims) { h["kid"] = "unknown" })
	for range 5 {
		_, err := w.signIn(alice)
		refused(t, "a key of nobody", err, iam.Unauthenticated, "provider_answer")
	}
	if n := w.p.Asked("/keys"); n != 2 {
		t.Errorf("keys were asked for %d times", n)
	}
	w.p.Change(nil)
	w.p.Publish(old) // the new one was stolen
	w.p.Sign(nil)
	w.advance(61 * time.Minute)
	if _, err := w.signIn(alice); err != nil {
		t.Error(err)
	}
}

// Answers that cost no more than they may, and say nothing to the page.
func TestHostileAnswers(t *testing.T) {
	huge := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"evil":"`))
		for range 4096 {
			if _, err := w.Write([]byte(strings.Repeat("x", 1024))); err != nil {
				return
			}
		}
	}
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = w.Write([]byte(body)) }
	}
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/evil", http.StatusTemporaryRedirect)
	}
	const discovery = "/.well-known/openid-configuration"
	for _, c := range []struct {
		what, path string
		h          http.HandlerFunc
		kind       iam.Kind
		reason     string
	}{
		{"huge discovery", discovery, huge, iam.Unavailable, "provider_away"},
		{"discovery elsewhere", discovery, elsewhere, iam.Unavailable, "provider_away"},
		{"no discovery", discovery, text(404, "evil"), iam.Unavailable, "provider_away"},
		{"discovery of another", discovery, text(200, `{"issuer":"https://evil.example"}`), iam.Unavailable, "provider_away"},
		{"deep discovery", discovery, text(200, strings.Repeat("[", 100000)), iam.Unavailable, "provider_away"},
		{"huge keys", "/keys", huge, iam.Unavailable, "provider_away"},
		{"keys elsewhere", "/keys", elsewhere, iam.Unavailable, "provider_away"},
		{"no keys", "/keys", text(200, `{"keys":[]}`), iam.Unauthenticated, "provider_answer"},
		{"no set of keys", "/keys", text(200, `{"keys":"evil"}`), iam.Unavailable, "provider_away"},
		{"huge token", "/token", huge, iam.Unauthenticated, "provider_answer"},
		{"token elsewhere", "/token", elsewhere, iam.Unauthenticated, "provider_answer"},
		{"token refused", "/token", text(400, `{"error":"evil evil"}`), iam.Unauthenticated, "provider_answer"},
		{"token in trouble", "/token", text(503, `evil`), iam.Unavailable, "provider_away"},
		{"a token of another type", "/token", text(200, `{"access_token":"a","token_type":"evil","id_token":"x"}`), iam.Unauthenticated, "provider_answer"},
		{"no ID token", "/token", text(200, `{"access_token":"a","token_type":"Bearer"}`), iam.Unauthenticated, "provider_answer"},
		{"no access token", "/token", text(200, `{"token_type":"Bearer","id_token":"a.b.c"}`), iam.Unauthenticated, "provider_answer"},
		{"an access token with a line's end", "/token", text(200, `{"access_token":"a\r\nevil: b","token_type":"Bearer","id_token":"a.b.c"}`), iam.Unauthenticated, "provider_answer"},
	} {
		w := newWorld(t)
		if c.path == discovery {
			w.p.Instead(c.path, c.h)
			_, err := w.room.Begin(t.Context(), "one", back)
			refused(t, c.what, err, c.kind, c.reason)
		} else {
			a := w.journey(alice)
			w.p.Instead(c.path, c.h)
			_, err := w.room.Finish(t.Context(), "one", a)
			refused(t, c.what, err, c.kind, c.reason)
		}
		if n := w.p.Asked("/evil"); n != 0 {
			t.Errorf("%s: a redirect was followed", c.what)
		}
	}
}

// A provider that is away is asked again after a while, and not by everybody.
func TestAway(t *testing.T) {
	w := newWorld(t)
	const discovery = "/.well-known/openid-configuration"
	w.p.Instead(discovery, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for range 4 {
		_, err := w.room.Begin(t.Context(), "one", back)
		refused(t, "away", err, iam.Unavailable, "provider_away")
	}
	if n := w.p.Asked(discovery); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	w.p.Instead(discovery, nil)
	w.advance(11 * time.Second)
	if _, err := w.signIn(alice); err != nil {
		t.Error(err)
	}
	// What is known goes on for a day when the provider does not tell it again.
	w.p.Instead(discovery, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	w.advance(23 * time.Hour)
	if _, err := w.signIn(alice); err != nil {
		t.Error(err)
	}
	w.advance(2 * time.Hour)
	_, err := w.room.Begin(t.Context(), "one", back)
	refused(t, "away for long", err, iam.Unavailable, "provider_away")
}

// A slow provider holds a bounded number of people, and nobody longer than he waits.
func TestSlow(t *testing.T) {
	w := newWorld(t)
	var answers []upstream.Answer
	for range 33 {
		answers = append(answers, w.journey(alice))
	}
	release := make(chan struct{})
	w.p.Instead("/token", func(http.ResponseWriter, *http.Request) { <-release })
	ctx, stop := context.WithCancel(t.Context())
	errs := make(chan error, 33)
	for _, a := range answers {
		go func() { _, err := w.room.Finish(ctx, "one", a); errs <- err }()
	}
	refused(t, "one too many", <-errs, iam.Unavailable, "provider_busy") // the others wait
	stop()
	for range 32 {
		refused(t, "a person who has gone", <-errs, iam.Unavailable, "provider_away")
	}
	close(release)
	w.p.Instead("/token", nil)
	if _, err := w.signIn(alice); err != nil {
		t.Error(err)
	}
}

// Many who come at once ask for discovery once, and one who goes away takes it from
// nobody.
func TestTogether(t *testing.T) {
	w := newWorld(t)
	const discovery = "/.well-known/openid-configuration"
	asked, release := make(chan struct{}), make(chan struct{})
	w.p.Instead(discovery, func(rw http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
		w.p.Instead(discovery, nil)
		w.p.ServeHTTP(rw, r)
	})
	first, stop := context.WithCancel(t.Context())
	gone, errs := make(chan error, 1), make(chan error, 8)
	go func() { _, err := w.room.Begin(first, "one", back); gone <- err }()
	<-asked
	for range 8 {
		go func() { _, err := w.room.Begin(t.Context(), "one", back); errs <- err }()
	}
	stop()
	refused(t, "who went away", <-gone, iam.Unavailable, "provider_away")
	close(release)
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
