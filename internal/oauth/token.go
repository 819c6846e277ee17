package oauth

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const (
	grantDevice   = "urn:ietf:params:oauth:grant-type:device_code"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// grantType is a way to get tokens: the gate's method, and its message made of
// the form.
type grantType struct {
	method   string
	noClient bool // there may be none
	message  func(f form, c *propuskpb.OAuthClientProof, p *propuskpb.DPoPProof, info string) proto.Message
}

var grants = map[string]grantType{
	"authorization_code": {method: propuskpb.OAuthService_RedeemCode_FullMethodName,
		message: func(f form, c *propuskpb.OAuthClientProof, p *propuskpb.DPoPProof, info string) proto.Message {
			return &propuskpb.RedeemCodeRequest{Client: c, Code: f["code"], RedirectUri: f["redirect_uri"], CodeVerifier: f["code_verifier"],
				Dpop: p, ClientInstanceInfo: info}
		}},
	"refresh_token": {method: propuskpb.OAuthService_Refresh_FullMethodName,
		message: func(f form, c *propuskpb.OAuthClientProof, p *propuskpb.DPoPProof, info string) proto.Message {
			return &propuskpb.RefreshTokenGrantRequest{Client: c, RefreshToken: f["refresh_token"], Scope: f["scope"], Dpop: p, ClientInstanceInfo: info}
		}},
	grantDevice: {method: propuskpb.OAuthService_RedeemDeviceCode_FullMethodName,
		message: func(f form, c *propuskpb.OAuthClientProof, p *propuskpb.DPoPProof, info string) proto.Message {
			return &propuskpb.RedeemDeviceCodeRequest{Client: c, DeviceCode: f["device_code"], Dpop: p, ClientInstanceInfo: info}
		}},
	"client_credentials": {method: propuskpb.OAuthService_ClientCredentials_FullMethodName,
		message: func(f form, c *propuskpb.OAuthClientProof, _ *propuskpb.DPoPProof, _ string) proto.Message {
			return &propuskpb.ClientCredentialsGrantRequest{Client: c, Scope: f["scope"], Resource: f["resource"]}
		}},
	grantExchange: {method: propuskpb.OAuthService_ExchangeToken_FullMethodName, noClient: true,
		message: func(f form, c *propuskpb.OAuthClientProof, _ *propuskpb.DPoPProof, _ string) proto.Message {
			return &propuskpb.ExchangeTokenRequest{Client: c, SubjectToken: f["subject_token"], SubjectTokenType: f["subject_token_type"],
				RequestedTokenType: f["requested_token_type"], Audience: f["audience"], Resource: f["resource"], Scope: f["scope"],
				ActorToken: f["actor_token"], ActorTokenType: f["actor_token_type"]}
		}},
}

// tokenAnswer is RFC 6749 section 5.1, RFC 8693 section 2.2.1.
type tokenAnswer struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in,omitempty"`
	RefreshToken    string `json:"refresh_token,omitempty"`
	IDToken         string `json:"id_token,omitempty"`
	Scope           string `json:"scope,omitempty"`
}

// token is the token endpoint.
func (v *visit) token() (any, error) {
	if err := v.readForm(); err != nil {
		return nil, err
	}
	name := v.form["grant_type"]
	if name == "" {
		return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "The parameter grant_type is missing")
	}
	g, ok := grants[name]
	if !ok {
		return nil, fail(http.StatusBadRequest, iam.OAuthUnsupportedGrantType, "There is no grant %s here: %s are served", shown(name), grantNames())
	}
	client, err := v.client(g.noClient)
	if err != nil {
		return nil, err
	}
	proof, err := v.dpop()
	if err != nil {
		return nil, err
	}
	m, err := ask[*propuskpb.OAuthTokenResponse](v, g.method, g.message(v.form, client, proof, v.clientInfo()))
	if err != nil {
		return nil, err
	}
	return &tokenAnswer{AccessToken: m.GetAccessToken(), IssuedTokenType: m.GetIssuedTokenType(), TokenType: m.GetTokenType(), ExpiresIn: m.GetExpiresIn(),
		RefreshToken: m.GetRefreshToken(), IDToken: m.GetIdToken(), Scope: m.GetScope()}, nil
}

// deviceAnswer is RFC 8628 section 3.2.
type deviceAnswer struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete,omitempty"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval,omitempty"`
}

// device is the device authorization endpoint.
func (v *visit) device() (any, error) {
	if err := v.readForm(); err != nil {
		return nil, err
	}
	client, err := v.client(false)
	if err != nil {
		return nil, err
	}
	proof, err := v.dpop()
	if err != nil {
		return nil, err
	}
	m, err := ask[*propuskpb.AuthorizeDeviceResponse](v, propuskpb.OAuthService_AuthorizeDevice_FullMethodName, &propuskpb.AuthorizeDeviceRequest{
		Client: client, Scope: v.form["scope"], ClientInstanceInfo: v.clientInfo(), Address: v.address(), Dpop: proof})
	if err != nil {
		return nil, err
	}
	return &deviceAnswer{DeviceCode: m.GetDeviceCode(), UserCode: m.GetUserCode(), VerificationURI: m.GetVerificationUri(),
		VerificationURIComplete: m.GetVerificationUriComplete(), ExpiresIn: m.GetExpiresIn(), Interval: m.GetInterval()}, nil
}
