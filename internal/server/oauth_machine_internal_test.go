package server

import (
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Whatever listens at a port of the person's machine can answer for a program that
// has no secret, so that he is asked each time, as with native ones.
func TestProgramsOfThisMachineAreAskedAbout(t *testing.T) {
	h := openHall(t)
	local := func(c *iam.OAuthClient) { c.RedirectURIs = append(c.RedirectURIs, "http://localhost:3000/back") }
	spa, web, cookie := h.program(t, oauthclient.SPA, local), h.program(t, oauthclient.Web, local), h.alice(t)
	const ask, allowed = propuskpb.PrepareAuthorizationResponse_ASK, propuskpb.PrepareAuthorizationResponse_ALLOWED
	for _, c := range []struct {
		program *program
		uri     string
		want    propuskpb.PrepareAuthorizationResponse_Next
	}{{spa, "http://localhost:3000/back", ask}, {spa, "https://app.example/back", allowed}, {web, "http://localhost:3000/back", allowed}} {
		a := c.program.asks(func(a *propuskpb.Authorization) { a.RedirectUri = c.uri })
		h.code(t, cookie, a)
		if r := must2(h.prepare(t, cookie, a))(t); r.GetNext() != c.want {
			t.Errorf("%s at %s: %v", c.program.ID, c.uri, r.GetNext())
		}
		v, err := h.allow(t, cookie, a, false)
		if (v.Get("error") == "consent_required") != (c.want == ask) {
			t.Errorf("%s at %s: %v, %v", c.program.ID, c.uri, v, err)
		}
	}
}
