package web

import (
	"net/http"
	"time"
)

// The cookies. Over TLS their names have a prefix, by which browsers hold them to
// be of this host alone, for all of its paths and never sent in the clear
// (RFC 6265bis section 4.1.3.2). Without TLS, on a development server's loopback,
// browsers would refuse that; so the names differ, and a cookie that was set in
// the clear means nothing over TLS.
const (
	hostPrefix = "__Host-"

	sessionCookie  = "yc_session"       // [API fact: IAM cookie]
	ticketCookie   = "propusk_ticket"   // of a sign-in that waits for its second factor
	visitorCookie  = "propusk_visitor"  // binds forms before sign-in
	onceCookie     = "propusk_once"     // by which a consent counts once
	againCookie    = "propusk_again"    // when a person was asked to prove himself again
	languageCookie = "propusk_language" //
	languageLife   = 365 * 24 * time.Hour
)

// maxCookie is the longest value that is looked at, in bytes.
const maxCookie = 1000

func (v *visit) cookieName(name string) string {
	if v.secure {
		return hostPrefix + name
	}
	return name
}

// cookie is the value of a cookie; "" when there is none, or more than one:
// which of them is the person's nobody can tell.
func (v *visit) cookie(name string) string {
	found := v.r.CookiesNamed(v.cookieName(name))
	if len(found) != 1 || len(found[0].Value) > maxCookie {
		return ""
	}
	return found[0].Value
}

// setCookie sets a cookie until a time; the zero time means until the browser ends.
func (v *visit) setCookie(name, value string, until time.Time) {
	c := &http.Cookie{Name: v.cookieName(name), Value: value, Path: "/", Secure: v.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if !until.IsZero() {
		c.MaxAge = max(1, int(until.Sub(v.door.Now()).Seconds()))
	}
	http.SetCookie(v.w, c)
}

func (v *visit) dropCookie(name string) {
	http.SetCookie(v.w, &http.Cookie{Name: v.cookieName(name), Path: "/", MaxAge: -1, Secure: v.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
