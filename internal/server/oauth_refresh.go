package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/cloudapi/oauthapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func (s *Server) oauthRefreshes(k kit) *oauthapi.Refreshes {
	return &oauthapi.Refreshes{Changes: k.changes, Clients: s.oauthClients(), Tokens: s.oauthTokens(), Key: refreshKey(k.pages.Key)}
}

// refreshKey is what the successors of refresh tokens are made by, of the
// installation's secret.
func refreshKey(secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("successors of refresh tokens"))
	return mac.Sum(nil)
}

// refreshProofs prove people by refresh tokens.
func (s *Server) refreshProofs(kit) map[string]bodyProof {
	return map[string]bodyProof{propuskpb.OAuthService_Refresh_FullMethodName: s.refreshProof().Prove}
}

func (s *Server) refreshProof() *oauthapi.RefreshProof {
	return &oauthapi.RefreshProof{DB: s.db, Clients: s.oauthClients(), Grants: s.grantProver(), Keys: s.keyProofs(), Now: s.now}
}

// proveRefreshToken proves the person of a refresh token that another service
// was shown.
func (s *Server) proveRefreshToken() accessservice.Proof {
	prover := s.refreshProof()
	return func(ctx context.Context, c accessservice.Claim) (*credential.Identity, error) {
		return prover.Shown(ctx, c.Text.Reveal())
	}
}

// refreshLookup is by what the row of a refresh token is found; false for a text
// that is none.
func refreshLookup(text string) (string, bool) {
	return grant.RefreshTokenLookup(text), grant.RefreshTokenForm(text)
}

// proveCookie proves the person of a session whose cookie another service was
// shown, and notes that he was there.
func (s *Server) proveCookie() accessservice.Proof {
	prover := s.sessionProver()
	return func(ctx context.Context, c accessservice.Claim) (*credential.Identity, error) {
		id, err := prover.Prove(ctx, c.Text.Reveal())
		if err == nil {
			s.used.note(usedSession, id.CredentialID, string(id.Subject.ID), s.now())
		}
		return id, err
	}
}

// cleanRefreshTokens forgets refresh tokens that nobody is shown any more.
func cleanRefreshTokens(tx *store.Tx) error {
	_, err := store.DeleteRefreshTokensBefore(tx, tx.Now().Add(-grant.RefreshKept))
	return err
}
