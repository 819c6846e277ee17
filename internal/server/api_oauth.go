package server

import (
	"maps"
	"slices"

	"github.com/propusk/propusk/internal/cloudapi/oauthapi"
	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// oauthArea is programs that act for people who have allowed it.
var oauthArea = area{
	rules: slices.Concat(oauthapi.AuthorizationRules, oauthapi.DeviceRules, oauthapi.OAuthRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		propuskpb.RegisterAuthorizationServiceServer(r, s.authorizationService(k))
		propuskpb.RegisterDeviceServiceServer(r, s.deviceService(k))
		propuskpb.RegisterOAuthServiceServer(r, oauthapi.OAuthService{Codes: s.oauthCodes(k), Refreshes: s.oauthRefreshes(k), DeviceGrants: s.oauthDevices(k),
			ClientGrants: s.oauthClientGrants(), Exchanges: s.oauthExchanges(), TokenStates: s.oauthStates(k), UserInfos: s.userInfos()})
	},
	proofs: func(s *Server, k kit) (map[string]bodyProof, error) {
		all := map[string]bodyProof{}
		for _, part := range []func(kit) map[string]bodyProof{s.codeProofs, s.refreshProofs, s.deviceProofs} {
			maps.Copy(all, part(k))
		}
		return all, nil
	},
}
