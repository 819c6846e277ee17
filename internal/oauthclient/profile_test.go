package oauthclient_test

import (
	"errors"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
)

func TestProfiles(t *testing.T) {
	for _, p := range oauthclient.Profiles() {
		got, err := oauthclient.ProfileOf(p.ID)
		if err != nil || got.ID != p.ID {
			t.Errorf("%s: %v, %v", p.ID, got, err)
		}
		if p.HoldsSecrets() != (p.ID == oauthclient.Web) {
			t.Errorf("%s: holds secrets: %v", p.ID, p.HoldsSecrets())
		}
		c := &iam.OAuthClient{ProfileID: p.ID, AuthenticationMethods: p.DefaultMethods, PKCERequired: p.PKCEDefault}
		if err := p.Check(c); err != nil {
			t.Errorf("%s: the defaults are refused: %v", p.ID, err)
		}
		c.PKCERequired = !p.PKCEDefault
		if err := p.Check(c); (err != nil) != p.PKCEFixed {
			t.Errorf("%s: PKCE %v: %v", p.ID, c.PKCERequired, err)
		}
	}
	for _, id := range []string{"", "Web", "web ", "mobile"} {
		if _, err := oauthclient.ProfileOf(id); !errors.Is(err, iam.InvalidArgument) {
			t.Errorf("%q: %v", id, err)
		}
	}
}
