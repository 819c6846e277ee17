package function

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/propusk/propusk/internal/resource"
)

// Door calls a function over HTTP: each request becomes an event, and the answer
// to it an HTTP answer; with ?integration=raw the body is the event, and the
// answer is the body. Whoever may connect may call, so it answers only those who
// name this machine, and no page of another site.
type Door struct{ Runner *Runner }

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := resource.NewUUID()
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("X-Function-Id", d.Runner.f.ID)
	w.Header().Set("X-Function-Version-Id", d.Runner.f.Version)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	err := d.serve(w, r, id)
	if err == nil {
		return
	}
	f, ok := errors.AsType[*Failure](err)
	if !ok { // its context has ended: the caller's, who hears nothing, or everybody's
		f = stopped()
	}
	if f.Own {
		w.Header().Set("X-Function-Error", "true")
	}
	w.Header().Set("Content-Type", "application/json")
	answer(w, f.Status, f.JSON())
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, id string) error {
	if why := foreign(r); why != "" {
		return &Failure{Status: http.StatusForbidden, Type: "Forbidden", Message: why}
	}
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	raw := r.URL.Query().Get("integration") == "raw"
	event := body
	if !raw {
		if event, err = eventOf(r, body, id, d.Runner.f.Now()); err != nil {
			return err
		}
	}
	text, err := d.Runner.Invoke(r.Context(), Call{id, event})
	if err != nil {
		return err
	}
	if raw {
		answer(w, http.StatusOK, text)
		return nil
	}
	response, err := responseOf(text)
	if err != nil {
		return err
	}
	return response.write(w)
}

// foreign tells why a request is refused: a name that somebody has pointed at this
// machine (DNS rebinding), or a page of a site that is not on it.
func foreign(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !local(host) {
		return "the Host header names another machine than this"
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !local(u.Hostname()) {
			return "the request comes from a page of another site"
		}
	} else if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return "the request comes from a page of another site"
	}
	return ""
}

// local tells the names of this machine.
func local(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}
