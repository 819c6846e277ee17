package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi/oauthapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// oauthDevices lets machines without a browser in. Asking for codes has counts of
// its own: it keeps nobody from signing in.
func (s *Server) oauthDevices(k kit) *oauthapi.DeviceGrants {
	return &oauthapi.DeviceGrants{Changes: k.changes, Clients: s.oauthClients(), Tokens: s.oauthTokens(), Keys: s.keyProofs(),
		Codes: grant.UserCodes{Key: k.pages.Key}, Addresses: signin.NewAddresses(s.now), Issuer: s.issuer}
}

func (s *Server) deviceService(k kit) *oauthapi.DeviceService {
	return &oauthapi.DeviceService{Authorization: s.authorizationService(k), Codes: grant.UserCodes{Key: k.pages.Key}, Addresses: s.passwords.Addresses}
}

func (s *Server) oauthClientGrants() *oauthapi.ClientGrants {
	return &oauthapi.ClientGrants{Clients: s.oauthClients(), Keys: s.idKeys, Issuer: s.issuer, Now: s.now}
}

func (s *Server) oauthExchanges() *oauthapi.Exchanges {
	return &oauthapi.Exchanges{Clients: s.oauthClients(), Minter: s.minter, Accounts: s.replica, IAMToken: s.iamTokens(), Issuer: s.issuer, Now: s.now,
		Created: func(ctx context.Context, m proto.Message) (*credential.Identity, error) { return s.created(ctx, m) }}
}

func (s *Server) oauthStates(k kit) *oauthapi.TokenStates {
	return &oauthapi.TokenStates{Changes: k.changes, Clients: s.oauthClients(), Access: s.oauthAccess(), IAMToken: s.iamTokens(), Grants: s.grantProver()}
}

func (s *Server) iamTokens() *credential.IAMToken {
	return &credential.IAMToken{Verifier: s.revoked, Accounts: s.replica, Now: s.now}
}

// deviceProofs prove people who answer devices, devices that were answered, and
// who asks with a client's secret or exchanges a token.
func (s *Server) deviceProofs(k kit) map[string]bodyProof {
	sessions := &oauthapi.SessionProofs{Session: s.sessionProver(),
		Seen: func(id, user string) { s.used.note(usedSession, id, user, s.now()) }}
	devices := &oauthapi.DeviceProofs{DB: s.db, Clients: s.oauthClients(), Grants: s.grantProver(), Keys: s.keyProofs(), Idle: s.cfg.SessionIdle}
	states := s.oauthStates(k)
	return map[string]bodyProof{
		propuskpb.DeviceService_Find_FullMethodName:             sessions.Prove,
		propuskpb.DeviceService_Decide_FullMethodName:           sessions.Prove,
		propuskpb.OAuthService_AuthorizeDevice_FullMethodName:   s.oauthDevices(k).ProveClient,
		propuskpb.OAuthService_RedeemDeviceCode_FullMethodName:  devices.Prove,
		propuskpb.OAuthService_ClientCredentials_FullMethodName: s.oauthClientGrants().ProveOwner,
		propuskpb.OAuthService_ExchangeToken_FullMethodName:     s.oauthExchanges().ProveSubject,
		propuskpb.OAuthService_Introspect_FullMethodName:        states.ProveAsker,
		propuskpb.OAuthService_Revoke_FullMethodName:            states.ProveHolder,
	}
}

// cleanDeviceCodes forgets device codes that nobody asks for any more.
func cleanDeviceCodes(tx *store.Tx) error {
	_, err := store.DeleteDeviceCodesBefore(tx, tx.Now().Add(-grant.DeviceKept))
	return err
}
