package cli

import (
	"crypto/subtle"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"
)

const callbackPath = "/auth/callback" // [API fact: sign-in with a browser]

// arrival is what a browser brings back.
type arrival struct {
	code      string
	errorCode string
	errorText string
}

// callback takes the one answer that belongs to the question, at an address of
// this machine.
type callback struct {
	host          string // as the browser is to call it
	issuer, state string
	arrived       chan arrival
}

// ServeHTTP implements http.Handler. A Host that is not the address itself is a
// name of somebody's that leads here.
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Connection", "close")
	if r.Host != c.host || r.URL.Path != callbackPath || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	a, err := readArrival(r.URL.RawQuery, c.issuer, c.state)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "This is no answer to what was asked.\n")
		return
	}
	select {
	case c.arrived <- a:
	default: // one has come already
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, "An answer has come before this one.\n")
		return
	}
	if a.errorCode != "" {
		_, _ = io.WriteString(w, "You are not signed in. Close this page: the terminal says more.\n")
		return
	}
	_, _ = io.WriteString(w, "Thank you. Close this page and go back to the terminal: it goes on there.\n")
}

var errForeign = errors.New("no answer to what was asked")

// readArrival reads the query of the callback: what is not from the server that
// was asked (RFC 9207), or not an answer to this question, is refused.
func readArrival(query, issuer, state string) (arrival, error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return arrival{}, errForeign
	}
	for _, values := range q {
		if len(values) > 1 { // RFC 6749 section 3.1
			return arrival{}, errForeign
		}
	}
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 || q.Get("iss") != issuer {
		return arrival{}, errForeign
	}
	a := arrival{q.Get("code"), q.Get("error"), q.Get("error_description")}
	if (a.code == "") == (a.errorCode == "") || len(a.code) > mostToken {
		return arrival{}, errForeign
	}
	return a, nil
}

// listen takes callbacks until stop is called, which lets the page arrive that
// says how it ended.
func (c *callback) listen() (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { // a machine of IPv6 alone (RFC 8252 section 7.3 has both)
		var err6 error
		if l, err6 = net.Listen("tcp", "[::1]:0"); err6 != nil {
			return nil, err
		}
	}
	c.host = l.Addr().String()
	server := &http.Server{Handler: c, ReadTimeout: httpLimit, WriteTimeout: httpLimit, MaxHeaderBytes: 64 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(l) }()
	return func() { _ = shutdown(server, time.Second) }, nil
}
