package web

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// errAnswered ends a visit that was answered before its page was asked for.
var errAnswered = errors.New("web: answered")

// leave sends the browser out of this door, to where the gate says, which is an
// address that the gate has found to be the program's.
//
// Browsers hold a page's form-action to all redirects that follow its forms,
// those of the other site too (CSP3 section 6.4.2), and a program may well send
// people on. So who comes by a form of ours gets a page from which he goes on, and
// form-action stays at what is ours; everybody else is redirected.
func (v *visit) leave(location, address string, program *propuskpb.OAuthProgram) error {
	if !leadsTo(location, address) {
		return fmt.Errorf("web: the gate would send a browser elsewhere than to %q", address)
	}
	if v.r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		v.goTo(location)
		return nil
	}
	v.w.Header().Set("Refresh", "0;url="+location)
	return v.show(http.StatusOK, &page{Name: "leave", Title: "leave.title", Data: leaveData{programData{program}, template.URL(location)}})
}

// leaveNow leaves before the page is asked for.
func (v *visit) leaveNow(location string) error {
	if err := v.leave(location, v.authorizing.request.GetRedirectUri(), v.authorizing.program); err != nil {
		return err
	}
	return errAnswered
}

type leaveData struct {
	Program programData
	To      template.URL // checked by leadsTo
}

// leadsTo tells whether a location is an address with a query of its own, or with
// more of it. The address itself was compared with those that the program has.
func leadsTo(location, address string) bool {
	rest, ok := strings.CutPrefix(location, address)
	switch {
	case !ok || !strings.Contains(address, ":"):
		return false
	case strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\#", r) }):
		return false
	case rest != "" && rest[0] != '?' && !strings.Contains(address, "?"):
		return false
	}
	scheme, _, _ := strings.Cut(strings.ToLower(location), ":")
	for _, run := range []string{"javascript", "data", "vbscript", "blob", "file", "about"} {
		if scheme == run {
			return false
		}
	}
	return true
}
