package web

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// programData is a program as pages show it.
type programData struct{ *propuskpb.OAuthProgram }

// Key is the key of the name of a program that every server has; "" for others,
// which are called as their organization says.
func (p programData) Key() string {
	if p.GetClientId() == oauthclient.PublicSDK {
		return "client.public"
	}
	return ""
}

// Host is where the program's address leads, as a person reads it.
func (p programData) Host() string {
	if host, ok := strings.CutPrefix(p.GetRedirectOrigin(), "https://"); ok {
		return host
	}
	return p.GetRedirectOrigin()
}

// scopeLine is one thing that a program gets: a key, or a scope that this door has
// no words for.
type scopeLine struct {
	Key, Literal string
	Strong       bool // a person should think twice
	New          bool
}

// scopeKeys are the words for scopes.
var scopeKeys = map[string]string{
	oauthclient.ScopeOpenID: "scope.openid", oauthclient.ScopeProfile: "scope.profile", oauthclient.ScopeEmail: "scope.email",
	oauthclient.ScopeGroups: "scope.groups", oauthclient.ScopeOffline: "scope.offline", oauthclient.ScopeCloud: "scope.cloud",
}

// scopeLines are what a program gets, what weighs most first. Full access and
// going on while the person is away are told of even when no scope says so.
func scopeLines(scopes []string, full, offline bool) []scopeLine {
	var out []scopeLine
	if full || slices.Contains(scopes, oauthclient.ScopeCloud) {
		out = append(out, scopeLine{Key: "scope.cloud", Strong: true})
	}
	if offline || slices.Contains(scopes, oauthclient.ScopeOffline) {
		out = append(out, scopeLine{Key: "scope.offline", Strong: true})
	}
	for _, s := range scopes {
		switch key := scopeKeys[s]; {
		case s == oauthclient.ScopeCloud || s == oauthclient.ScopeOffline:
		case key != "":
			out = append(out, scopeLine{Key: key})
		default:
			out = append(out, scopeLine{Literal: s})
		}
	}
	return out
}

// authorizationData is what the page shows on which a person answers a program.
type authorizationData struct {
	Program programData
	Lines   []scopeLine
	Address string // of the form
	Once    string
	Denied  template.URL // checked by leadsTo
}

func (v *visit) authorizationPage(account *propuskpb.Account, prepared *propuskpb.PrepareAuthorizationResponse) error {
	a := v.authorizing
	data := authorizationData{Program: programData{a.program}, Address: a.address, Once: v.newOnce(v.programOnce(), v.door.Now().Add(onceLife)),
		Lines: scopeLines(prepared.GetScopes(), prepared.GetFullAccess(), prepared.GetOffline())}
	if fresh := prepared.GetNewScopes(); len(fresh) < len(prepared.GetScopes()) {
		for i, line := range data.Lines {
			data.Lines[i].New = slices.ContainsFunc(fresh, func(s string) bool { return scopeKeys[s] == line.Key && line.Key != "" || s == line.Literal })
		}
	}
	if to := prepared.GetDeniedLocation(); leadsTo(to, a.request.GetRedirectUri()) {
		data.Denied = template.URL(to)
	}
	return v.show(http.StatusOK, &page{Name: "program_consent", Title: "program.title", Account: account, Data: data})
}

// part is a page and what a part of its template is about.
type part struct {
	*page
	It any
}

// In gives a part of the template what it is about.
func (p *page) In(it any) part { return part{p, it} }
