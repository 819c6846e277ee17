// Package web is the door of people's browsers: pages on which a person signs
// in, allows a program to act in his name, and looks after his account. It reads
// forms, asks the gate, and answers in HTML. It proves nobody and keeps nothing:
// a session is a cookie that it passes on with each call. What it owns is what
// browsers need: cookies, forged forms, where a person goes on to, and words in
// two languages. Every page works without scripts and loads nothing from others.
package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// Name is this door's in rules and logs.
const Name = "web"

// Gate is the corridor behind this door. Call never returns a nil response.
type Gate interface {
	Call(ctx context.Context, r *gate.Request) (*gate.Response, error)
}

// Config is what the door needs. Gate, Key and Now are required.
type Config struct {
	Gate Gate
	// Key is the secret that forms are bound to cookies with; all servers of one
	// installation have the same.
	Key []byte
	Now func() time.Time
	Log *slog.Logger
	// Encrypted says that browsers reach the server over TLS even where a request
	// came in without it: a proxy ends it.
	Encrypted bool
	// Origin is scheme://host[:port] under which browsers know the server, when it
	// may differ from what a request says; "" when it does not.
	Origin string
	// Providers are where people may sign in instead of here.
	Providers []Provider
	// Joining says which pages there are for people who cannot sign in yet, or not
	// any more.
	Joining Joining
}

// Door serves the pages. Safe for concurrent use.
type Door struct {
	Config
	origins *http.CrossOriginProtection
	// Browsers are told to come over TLS alone.
	strict bool
}

// New makes the door.
func New(c Config) (*Door, error) {
	switch {
	case c.Gate == nil || c.Now == nil:
		return nil, fmt.Errorf("web: Gate and Now are required")
	case len(c.Key) < 16:
		return nil, fmt.Errorf("web: the key is shorter than 16 bytes")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	d := &Door{Config: c, origins: http.NewCrossOriginProtection()}
	if c.Origin != "" {
		if err := d.origins.AddTrustedOrigin(c.Origin); err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
	}
	d.strict = c.Encrypted && ownName(c.Origin)
	return d, nil
}

// ownName tells whether an origin is one that browsers may remember as never to be
// reached without TLS: https, and a name. What they remember of localhost they
// would hold against every other program there.
func ownName(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	return net.ParseIP(host) == nil && host != "localhost" && !strings.HasSuffix(host, ".localhost")
}

// Takes tells which requests are for this door: those of its pages, and of a
// browser that has lost its way among them. The first page of all is a browser's
// alone, for others ask there too.
func Takes(r *http.Request) bool {
	path := pathOf(r)
	if path == "/" {
		return (r.Method == http.MethodGet || r.Method == http.MethodHead) && wantsHTML(r)
	}
	if _, ok := routeOf(path); ok || strings.HasPrefix(path, assetPrefix) {
		return true
	}
	for _, within := range []string{"/account/", "/login/", "/authorize/", "/logout/", "/reset/", "/device/", authorizationPath + "/", endSessionPath + "/"} {
		if strings.HasPrefix(path, within) {
			return wantsHTML(r)
		}
	}
	return false
}

// pathOf is the path as it was written: one that is encoded is another one.
func pathOf(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

// wantsHTML tells a browser that goes to a page from everything else.
func wantsHTML(r *http.Request) bool {
	for _, line := range r.Header["Accept"] {
		for kind := range strings.SplitSeq(line, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/html") {
				return true
			}
		}
	}
	return false
}

// ServeHTTP implements http.Handler for what Takes.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secureHeaders(w.Header())
	if d.strict {
		w.Header().Set("Strict-Transport-Security", strictTransport)
	}
	path := pathOf(r)
	if strings.HasPrefix(path, assetPrefix) {
		serveAsset(w, r)
		return
	}
	v := d.newVisit(w, r)
	defer v.recover()
	if path == "/" {
		v.goTo("/account")
		return
	}
	route, ok := routeOf(path)
	if !ok {
		v.fail(refused(http.StatusNotFound, "error.not_found"))
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		v.get(route)
	case http.MethodPost:
		v.post(route)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		v.fail(refused(http.StatusMethodNotAllowed, "error.method"))
	}
}

// contentPolicy lets a page use what this door serves, and nothing else.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// strictTransport keeps browsers from the door without TLS for a year
// (RFC 6797). Hosts below this one are not ours to speak for.
const strictTransport = "max-age=31536000"

// secureHeaders go out with every answer of this door. Pages are nobody else's
// to keep: the next person at the same browser would find them.
func secureHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
}

// recover answers a panic without a word about it, and leaves the word in the log.
func (v *visit) recover() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { // compared as net/http compares it
		panic(p)
	}
	v.door.Log.ErrorContext(v.r.Context(), "panic", "door", Name, "path", iam.Conceal(v.r.URL.Path), "request_id", v.requestID,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	v.fail(refused(http.StatusInternalServerError, "error.internal"))
}
