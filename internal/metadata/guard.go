package metadata

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

const (
	longestTarget = 2 << 10
	longestHost   = 255
	// longestField bounds the fields that are read; longer is nobody's.
	longestField = 512
)

// guard refuses, before anything is looked up, what no program that runs beside
// this address sends of its own accord: requests that somebody forwards, that a
// browser was talked into, that go to another name, that carry a body.
func (d *Door) guard(r *request) *answer {
	switch {
	case len(r.RequestURI) > longestTarget:
		return plain(http.StatusRequestURITooLong, "too_long", "The address is too long")
	case r.Method == http.MethodConnect, r.URL.Host != "" || r.URL.Scheme != "" || r.URL.User != nil || r.URL.Opaque != "":
		return plain(http.StatusBadRequest, "proxied", "This is no proxy")
	case !r.client.IsValid():
		return plain(http.StatusForbidden, "unknown_peer", "The client's address is unknown")
	case !d.hostAllowed(r.Request):
		return plain(http.StatusForbidden, "foreign_host", "The Host header names another server")
	}
	for name := range r.Header {
		if a := refusedHeader(name); a != nil {
			return a
		}
	}
	return d.guardForm(r)
}

// refusedHeader knows headers that are not sent by programs on this machine:
// proxies add some, browsers the others.
func refusedHeader(name string) *answer {
	// Some servers behind proxies take "_" for "-"; a proxy that lets such a
	// header through has forwarded it all the same.
	switch name := strings.ReplaceAll(strings.ToLower(name), "_", "-"); {
	case strings.HasPrefix(name, "x-forwarded"), strings.HasPrefix(name, "forwarded"), strings.HasPrefix(name, "x-original-"),
		strings.HasSuffix(name, "client-ip"), strings.HasPrefix(name, "x-envoy-"), name == "x-real-ip", name == "via", name == "x-rewrite-url",
		name == "cdn-loop", name == "cf-connecting-ip", name == "proxy-authorization":
		return plain(http.StatusForbidden, "forwarded", "Forwarded requests are refused")
	case name == "origin", name == "referer", strings.HasPrefix(name, "sec-fetch-"), strings.HasPrefix(name, "access-control-request-"):
		return plain(http.StatusForbidden, "browser", "Requests of browsers are refused")
	}
	return nil
}

func (d *Door) guardForm(r *request) *answer {
	takesToken := r.URL.Path == sessionPath
	switch {
	case takesToken && r.Method != http.MethodPut:
		return plain(http.StatusMethodNotAllowed, "method", "Method not allowed").header("Allow", "PUT")
	case !takesToken && r.Method != http.MethodGet && r.Method != http.MethodHead:
		return plain(http.StatusMethodNotAllowed, "method", "Method not allowed").header("Allow", "GET, HEAD")
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return plain(http.StatusBadRequest, "body", "A request has no body here")
	case r.Header.Get("Upgrade") != "":
		return plain(http.StatusBadRequest, "upgrade", "No other protocol is spoken here")
	case !plainPath(r.URL):
		return notFound()
	}
	return nil
}

// plainPath tells whether the path has one spelling: no escapes, no empty
// segments, no dots that lead elsewhere.
func plainPath(u *url.URL) bool {
	if u.RawPath != "" || !strings.HasPrefix(u.Path, "/") || u.EscapedPath() != u.Path {
		return false
	}
	for i, s := range strings.Split(u.Path[1:], "/") {
		last := i == strings.Count(u.Path[1:], "/")
		if s == "." || s == ".." || (s == "" && !last) {
			return false
		}
	}
	return true
}

// clientOf is the peer of the connection; invalid when it is not known. An IPv4
// address is itself, however the socket spells it.
func clientOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// only is the header's value when it was sent once; more than one, or a long
// one, is none.
func only(h http.Header, name string) string {
	if v := h[http.CanonicalHeaderKey(name)]; len(v) == 1 && len(v[0]) <= longestField {
		return v[0]
	}
	return ""
}
