package oauthapi

import (
	"net/url"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
)

// refused is where the browser goes with a refusal.
func (a *asked) refused(r *refusal) string {
	return a.answered(url.Values{"error": {r.code}, "error_description": {r.description}})
}

// answered is where the browser goes with an answer: the redirect URI, its own
// query kept (RFC 6749 section 3.1.2), with who answers (RFC 9207) and the
// client's state.
func (a *asked) answered(values url.Values) string {
	values.Set("iss", a.issuer)
	if a.GetState() != "" {
		values.Set("state", a.GetState())
	}
	return withQuery(a.GetRedirectUri(), values)
}

func withQuery(uri string, values url.Values) string {
	switch {
	case !strings.Contains(uri, "?"):
		uri += "?"
	case !strings.HasSuffix(uri, "?") && !strings.HasSuffix(uri, "&"):
		uri += "&"
	}
	return uri + values.Encode()
}

// originOf is scheme://host[:port] of a redirect URI, or "scheme:" of one that
// leads to a program's own; onMachine tells that it leads to this very machine.
func originOf(client *iam.OAuthClient, uri string) (origin string, onMachine bool) {
	onMachine = client.ProfileID == oauthclient.Native
	u, err := url.Parse(uri)
	if err != nil || uri == "" {
		return "", onMachine
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return u.Scheme + ":", onMachine
	}
	return u.Scheme + "://" + u.Host, onMachine || u.Scheme == "http" // which leads nowhere else
}
