package server

import (
	"github.com/propusk/propusk/internal/cloudapi/oauthapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func (s *Server) authorizationService(k kit) *oauthapi.AuthorizationService {
	return &oauthapi.AuthorizationService{Changes: k.changes, Pages: k.pages, Clients: s.oauthClients(), Keys: s.idKeys, Issuer: s.issuer, Now: s.now}
}

func (s *Server) oauthClients() *oauthapi.Clients {
	return &oauthapi.Clients{Reads: s.replica, Secrets: &credential.OAuthClientSecret{Reads: s.replica},
		Used: func(secretID string) { s.used.note(usedClientSecret, secretID, "", s.now()) }}
}

func (s *Server) oauthTokens() *oauthapi.Tokens {
	return &oauthapi.Tokens{DB: s.db, Clients: s.oauthClients(), Minter: s.minter, Keys: s.idKeys, Issuer: s.issuer}
}

func (s *Server) oauthAccess() *oauthapi.AccessTokens {
	return &oauthapi.AccessTokens{DB: s.db, Keys: s.idKeys, Clients: s.oauthClients(), Grants: s.grantProver(), Issuer: s.issuer}
}

func (s *Server) grantProver() *credential.Grant {
	return &credential.Grant{Reads: s.replica, Now: s.now}
}

// keyProofs is one for the whole server: it remembers which proofs were used.
// Only what builds the server calls it.
func (s *Server) keyProofs() *grant.DPoP {
	if s.dpop == nil {
		s.dpop = &grant.DPoP{Now: s.now}
	}
	return s.dpop
}

func (s *Server) oauthCodes(k kit) *oauthapi.Codes {
	return &oauthapi.Codes{Changes: k.changes, Clients: s.oauthClients(), Tokens: s.oauthTokens()}
}

func (s *Server) userInfos() *oauthapi.UserInfos {
	return &oauthapi.UserInfos{DB: s.db, Access: s.oauthAccess(), Clients: s.oauthClients()}
}

// codeProofs prove people to AuthorizationService, and those whom a code or an
// access token stands for.
func (s *Server) codeProofs(kit) map[string]bodyProof {
	sessions := &oauthapi.SessionProofs{Session: s.sessionProver(),
		Seen: func(id, user string) { s.used.note(usedSession, id, user, s.now()) }}
	codes := &oauthapi.CodeProofs{DB: s.db, Clients: s.oauthClients(), Grants: s.grantProver(), Keys: s.keyProofs(), Idle: s.cfg.SessionIdle, Now: s.now}
	infos := &oauthapi.UserInfoProofs{Access: s.oauthAccess(),
		IAM: &credential.IAMToken{Verifier: s.revoked, Accounts: s.replica, Now: s.now}}
	all := sessions.All()
	all[propuskpb.OAuthService_RedeemCode_FullMethodName] = codes.Prove
	all[propuskpb.OAuthService_GetUserInfo_FullMethodName] = infos.Prove
	return all
}

// cleanGrants forgets codes and grants of which nothing can be alive.
func cleanGrants(tx *store.Tx) error {
	if _, err := store.DeleteExpiredOAuthCodes(tx, tx.Now()); err != nil {
		return err
	}
	if err := cleanDeviceCodes(tx); err != nil {
		return err
	}
	if err := cleanRefreshTokens(tx); err != nil {
		return err
	}
	_, err := store.DeleteOldOAuthGrants(tx, tx.Now())
	return err
}
