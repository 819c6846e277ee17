package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"
)

// A form carries a proof that this door made it for this browser: a MAC of the
// session's cookie or, before there is one, of a random cookie. Besides, browsers
// tell where a form comes from, and only our own pages may send any.

// formProof is the hidden field of every form.
const formProof = "form_proof"

// proofFor makes the proof of forms bound to a cookie's value.
func (d *Door) proofFor(use, cookie string) string {
	mac := hmac.New(sha256.New, d.Key)
	mac.Write([]byte(use + "\x00" + cookie))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const (
	boundToSession = "form of a session"
	boundToVisitor = "form of a visitor"
)

// proof is that of the page's own forms.
func (v *visit) proof(session bool) string {
	if session {
		return v.door.proofFor(boundToSession, v.session)
	}
	return v.door.proofFor(boundToVisitor, v.visitorSecret())
}

// visitorSecret is the random value of the visitor's cookie, which it sets first
// when it is missing or not of our making.
func (v *visit) visitorSecret() string {
	if v.visitor == "" {
		v.visitor = v.cookie(visitorCookie)
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(v.visitor); err != nil || len(b) != 16 {
		v.visitor = randomText()
		v.setCookie(visitorCookie, v.visitor, time.Time{})
	}
	return v.visitor
}

// randomText is 128 random bits, as they may stand in cookies and forms.
func randomText() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// checkForgery refuses a form that was not sent by a page of ours, shown to this
// browser.
func (v *visit) checkForgery(session bool) error {
	if err := v.door.origins.Check(v.r); err != nil {
		return refused(http.StatusForbidden, "error.foreign_form")
	}
	if !session && v.cookie(visitorCookie) == "" {
		return refused(http.StatusForbidden, "error.stale_form")
	}
	if !hmac.Equal([]byte(v.form[formProof]), []byte(v.proof(session))) {
		return refused(http.StatusForbidden, "error.stale_form")
	}
	return nil
}
