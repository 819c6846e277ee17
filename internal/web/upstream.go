package web

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Provider is where people may sign in instead of here.
type Provider struct{ ID, Title string }

// Providers are those of the config.
func (p *page) Providers() []Provider { return p.v.door.Providers }

const (
	elsewherePath = "/login/to"
	// comeBackPath and the provider's id are where a browser comes back to: each
	// provider has an address of its own, so that none answers for another.
	comeBackPath = "/login/from/"
)

// Cookies of a browser that is on its way to a provider. The provider's site sends
// it back by a link, with which SameSite=Lax lets them through.
const (
	journeyCookie = "propusk_journey" // to sign in
	connectCookie = "propusk_connect" // to connect an account
	wayCookie     = "propusk_way"     // where the person goes on to
)

// mostWay is the longest path that a browser keeps on its journey, in bytes.
const mostWay = 2400

// goElsewhere sends a person to a provider to sign in.
func (v *visit) goElsewhere() error {
	back, provider := goOn(v.form["return"]), v.form["provider"]
	answer, err := ask[*propuskpb.UpstreamJourney](v, propuskpb.UpstreamService_Begin_FullMethodName,
		&propuskpb.BeginUpstreamRequest{Provider: provider, Client: v.client(), Anew: v.provesAnew(back)})
	if err != nil {
		return v.upstreamTrouble(err)
	}
	v.dropCookie(connectCookie)
	v.setCookie(journeyCookie, answer.GetBrowser(), answer.GetExpiresAt().AsTime())
	v.keepWay(back, answer.GetExpiresAt().AsTime())
	return v.setOut(provider, answer.GetUrl())
}

// provesAnew tells whether a person who signs in has to prove himself now: he is
// signed in, and was asked to do so again, or it is for a program that says how
// old a sign-in may be, or asks for one.
func (v *visit) provesAnew(back string) bool {
	if v.session != "" {
		return true
	}
	path, query, _ := strings.Cut(back, "?")
	asked, err := parseFields(query)
	if path != authorizationPath || err != nil {
		return false
	}
	prompts := strings.Fields(asked["prompt"])
	return asked["max_age"] != "" || slices.Contains(prompts, "login") || slices.Contains(prompts, "select_account")
}

// keepWay has the browser remember where the person goes on to. It is looked at
// like everything that somebody may have made up.
func (v *visit) keepWay(back string, until time.Time) {
	if back == defaultReturn || len(back) > mostWay {
		v.dropCookie(wayCookie)
		return
	}
	v.setCookie(wayCookie, base64.RawURLEncoding.EncodeToString([]byte(back)), until)
}

func (v *visit) way() string {
	found := v.r.CookiesNamed(v.cookieName(wayCookie))
	if len(found) != 1 || len(found[0].Value) > base64.RawURLEncoding.EncodedLen(mostWay) {
		return defaultReturn
	}
	text, err := base64.RawURLEncoding.DecodeString(found[0].Value)
	if err != nil {
		return defaultReturn
	}
	return goOn(string(text))
}

// setOut leads the browser to a provider, by a page: browsers hold the redirects
// that answer a form to this door's own addresses (form-action).
func (v *visit) setOut(provider, location string) error {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(location, "\r\n\"<> ") {
		return fmt.Errorf("web: the gate would send a browser to no address")
	}
	v.w.Header().Set("Refresh", "0;url="+location)
	return v.show(http.StatusOK, &page{Name: "elsewhere", Title: "elsewhere.title", Data: elsewhereData{To: template.URL(location), Title: v.titleOf(provider)}})
}

type elsewhereData struct {
	To    template.URL // checked by setOut
	Title string
}

func (v *visit) titleOf(provider string) string {
	for _, p := range v.door.Providers {
		if p.ID == provider {
			return p.Title
		}
	}
	return provider
}

// comeBackRoute is the page at which browsers come back from a provider.
var comeBackRoute = route{get: (*visit).comeBack, long: true, home: "/login"} // or a page would repeat the code

// comeBack takes what a browser brings back from a provider.
func (v *visit) comeBack() error {
	if v.r.Method != http.MethodGet {
		return refused(http.StatusMethodNotAllowed, "error.method")
	}
	provider := strings.TrimPrefix(v.r.URL.Path, comeBackPath)
	answer := &propuskpb.UpstreamAnswer{State: v.query["state"], Code: v.query["code"], Iss: v.query["iss"], Error: v.query["error"]}
	if answer.Browser = v.cookie(connectCookie); answer.Browser != "" {
		return v.connected(provider, answer)
	}
	answer.Browser = v.cookie(journeyCookie)
	back := v.way()
	v.dropCookie(journeyCookie)
	v.dropCookie(wayCookie)
	session, err := ask[*propuskpb.SignInResponse](v, propuskpb.UpstreamService_Finish_FullMethodName,
		&propuskpb.FinishUpstreamRequest{Provider: provider, Answer: answer, Client: v.signer()})
	switch {
	case err == nil:
		return v.signedIn(session, back)
	case isReason(err, "journey_ended"):
		v.goTo(withReturn("/login", back, "journey_ended"))
		return nil
	case isReason(err, "provider_declined"):
		v.goTo(withReturn("/login", back, "provider_declined"))
		return nil
	case isReason(err, "account_suspended"):
		return v.signInPage(back, "", &mistakes{status: http.StatusForbidden, Form: &mistake{Key: "mistake.suspended"}})
	}
	return v.upstreamTrouble(err)
}

// upstreamTroubles are refusals with a page of their own, by their reasons.
var upstreamTroubles = map[string]problem{
	"provider_unknown":          {status: http.StatusNotFound, key: "error.not_found"},
	"provider_away":             {status: http.StatusServiceUnavailable, key: "error.provider_away"},
	"provider_busy":             {status: http.StatusServiceUnavailable, key: "error.provider_away"},
	"provider_answer":           {status: http.StatusForbidden, key: "error.provider_answer"},
	"provider_stale":            {status: http.StatusForbidden, key: "error.provider_stale"},
	"provider_domain":           {status: http.StatusForbidden, key: "error.provider_domain"},
	"provider_declined":         {status: http.StatusForbidden, key: "error.provider_declined"},
	"journey_ended":             {status: http.StatusForbidden, key: "error.journey_ended"},
	"account_unconnected":       {status: http.StatusForbidden, key: "error.account_unconnected"},
	"account_unconnected_email": {status: http.StatusForbidden, key: "error.account_unconnected_email"},
}

// upstreamTrouble words what has gone wrong with a provider. What the provider said
// is in the log alone.
func (v *visit) upstreamTrouble(err error) error {
	for reason, p := range upstreamTroubles {
		if isReason(err, reason) {
			p.wait = v.problemOf(err).wait
			return &p
		}
	}
	return err
}

// isElsewhere tells of a page at which a browser comes back.
func isElsewhere(path string) bool {
	id, ok := strings.CutPrefix(path, comeBackPath)
	return ok && id != "" && len(id) <= 32 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// routeOf is the page of a path.
func routeOf(path string) (route, bool) {
	if isElsewhere(path) {
		return comeBackRoute, true
	}
	r, ok := routes()[path]
	return r, ok
}
