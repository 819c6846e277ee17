package server

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// All organizations of a person have a say, and what they take back is gone.
func TestRefreshTokenSetting(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	set := func(s iam.RefreshTokenSetting) *RefreshTokensResult {
		t.Helper()
		got, err := h.SetRefreshTokens(t.Context(), RefreshTokensRequest{Organization: h.dev.OrganizationID, Setting: s})
		return must(t, got, err)
	}
	if got := set(""); got.Setting != iam.RefreshTokensOn {
		t.Errorf("dev has it %s", got.Setting)
	}
	plain := h.plantRefreshToken(t, "alice")
	live := h.refresh(t, plain).AccessToken
	bound := h.plantRefreshToken(t, "bob", func(g *iam.OAuthGrant) { g.KeyThumbprint = strings.Repeat("A", 43) })
	if got := set(iam.RefreshTokensDPoP); got.Ended != 1 || got.Before != iam.RefreshTokensOn {
		t.Errorf("%+v", got)
	}
	wantGone(t, "one without a key", h.refresh(t, plain))
	if status, _ := h.get(t, live, "GET", "/iam/v1/refreshTokens", ""); status != 401 {
		t.Errorf("its IAM token: %d", status)
	}
	if got := set(iam.RefreshTokensOff); got.Ended != 1 {
		t.Errorf("%+v", got)
	}
	wantGone(t, "one with a key", h.refresh(t, bound))
	wantGone(t, "made while it is off", h.refresh(t, h.plantRefreshToken(t, "alice")))
	if _, err := h.SetRefreshTokens(t.Context(), RefreshTokensRequest{Organization: "bpfnone", Setting: iam.RefreshTokensOn}); iam.KindOf(err) != iam.NotFound {
		t.Errorf("an organization that there is not: %v", err)
	}
	if _, err := h.SetRefreshTokens(t.Context(), RefreshTokensRequest{Organization: h.dev.OrganizationID, Setting: "MAYBE"}); iam.KindOf(err) != iam.InvalidArgument {
		t.Errorf("a setting that there is not: %v", err)
	}
	h.wantEvent(t, "propusk.SetRefreshTokens", `"setting_before":"ON"`)
}

// A setting whose work was cut off, and what was made while it was written, is
// finished by the cleaning.
func TestRefreshTokenSettingIsFinished(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	plain, live := h.plantRefreshToken(t, "alice"), ""
	bound := h.plantRefreshToken(t, "bob", func(g *iam.OAuthGrant) { g.KeyThumbprint = strings.Repeat("A", 43) })
	live = h.refresh(t, plain).AccessToken
	write := func(to iam.RefreshTokenSetting) {
		t.Helper()
		err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := store.SetOrganizationRefreshTokens(tx, h.dev.OrganizationID, to)
			return err
		})
		if err == nil {
			err = h.clean(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	left := func(text string) bool {
		err := h.db.View(t.Context(), func(tx *store.Tx) error {
			_, err := store.FindRefreshToken(tx, grant.RefreshTokenLookup(text))
			return err
		})
		return err == nil
	}
	if write(iam.RefreshTokensOn); !left(plain) || !left(bound) {
		t.Error("what is allowed has ended")
	}
	if write(iam.RefreshTokensDPoP); left(plain) || !left(bound) {
		t.Error("without keys: not what is forbidden, or more, has ended")
	}
	if status, _ := h.get(t, live, "GET", "/iam/v1/refreshTokens", ""); status != 401 {
		t.Errorf("its IAM token: %d", status)
	}
	if write(iam.RefreshTokensOff); left(bound) {
		t.Error("with a key: it is still there")
	}
	write(iam.RefreshTokensOn)
	wantGone(t, "after it was allowed again", h.refresh(t, plain))
	h.wantEvent(t, "iam.credential.RevokeRefreshTokenForSubject", `"grants_ended":"1"`)
}
