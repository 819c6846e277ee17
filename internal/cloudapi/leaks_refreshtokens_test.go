package cloudapi_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// TestLeaksOfRefreshTokens: one that was found is called live, and ended by
// whoever shows it.
func TestLeaksOfRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	const live, gone = propuskpb.Verdict_LIVE, propuskpb.Verdict_DEAD
	carol := w.person(t, "carol", w.home.OrganizationID)
	drawn := grant.NewRefreshToken()
	w.update(t, func(tx *store.Tx) error {
		g := &iam.OAuthGrant{ID: resource.NewID(resource.PrefixIAM), UserID: carol, ClientID: oauthclient.PublicSDK, CreatedAt: tx.Now(),
			ExpiresAt: tx.Now().Add(grant.RefreshLife)}
		if err := store.InsertOAuthGrant(tx, g); err != nil {
			return err
		}
		return store.InsertRefreshToken(tx, &iam.RefreshToken{ID: drawn.ID, GrantID: g.ID, UserID: carol, ClientID: g.ClientID, Protection: iam.NoProtection,
			Lookup: drawn.Lookup, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(grant.RefreshLife)}, g.ExpiresAt)
	})
	text := drawn.Secret.Reveal()
	if v := w.expect(t, "live", leak.RefreshToken, text, live, "CONFIRMED"); v.GetSubjectId() != carol || v.GetCredentialId() != drawn.ID {
		t.Errorf("%v, want %s of %s", v, drawn.ID, carol)
	}
	w.expect(t, "of nobody", leak.RefreshToken, grant.NewRefreshToken().Secret.Reveal(), gone, "NOT_CONFIRMED")
	w.expect(t, "cut short", leak.RefreshToken, text[:len(text)-1], gone, "NOT_CONFIRMED")
	finding := &propuskpb.Finding{Type: string(leak.RefreshToken), Payload: text + "\n"}
	call(t, w.stranger, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, new(propuskpb.RevokeLeakResponse))
	w.expect(t, "ended", leak.RefreshToken, text, gone, "NOT_CONFIRMED")
	w.stranger.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, codes.NotFound, "nothing to revoke")
}
