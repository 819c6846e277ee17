// Package oauthapi serves propusk.v1.AuthorizationService, OAuthService and
// DeviceService: programs that act for people who have allowed it. The doors
// "web" and "oauth" alone reach it.
package oauthapi

import (
	"slices"

	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// The doors that may call: each tells something that nobody else may say.
const (
	pages     = "web"
	endpoints = "oauth"
)

const oauthService = "propusk.v1.OAuthService"

// OAuthRules are the rows of OAuthService.
var OAuthRules = gate.Only(endpoints, gate.Rules(oauthService, slices.Concat(
	codeRules, refreshRules, deviceGrantRules, clientRules, exchangeRules, tokenRules, userInfoRules)...)...)

// OAuthService is propusk.v1.OAuthService: one part for each grant.
type OAuthService struct {
	unbuilt
	*Codes
	*Refreshes
	*DeviceGrants
	*ClientGrants
	*Exchanges
	*TokenStates
	*UserInfos
}

// unbuilt keeps what generated code asks for below the methods of the parts.
type unbuilt struct {
	propuskpb.UnimplementedOAuthServiceServer
}
