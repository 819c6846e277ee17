package server

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/cloudapi/oauthapi"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauth"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/publish"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// buildIDKeys makes the ring of the keys of ID tokens, which reads them when
// somebody asks for one.
func (s *Server) buildIDKeys() (err error) {
	s.idKeys, err = mint.NewIDKeys(mint.IDKeysConfig{DB: s.db, Box: s.box, Now: s.now, RotateEvery: s.cfg.RotateEvery, Record: s.recordRotation})
	if err != nil {
		return err
	}
	s.replica.OnApply(s.idKeys.Notice)
	return s.buildRegistryKeys()
}

// distrustIDKey stops trusting a key of ID tokens, or of registry tokens.
func (s *Server) distrustIDKey(ctx context.Context, id string) error {
	record := func(tx *store.Tx) error {
		return s.recordOperator(tx, "propusk.DistrustSigningKey", resource.Ref{Kind: "propusk.signingKey", ID: id})
	}
	err := s.idKeys.Distrust(ctx, id, record)
	if errors.Is(err, iam.NotFound) {
		err = s.registryKeys.Distrust(ctx, id, record)
	}
	return err
}

// issuer is the address that ID tokens name as theirs, and under which third
// parties find their keys: public-url, otherwise the HTTP listener's own.
func (s *Server) issuer() (string, error) {
	if u := s.cfg.PublicURL; u != "" {
		return strings.TrimRight(u, "/"), nil
	}
	address := s.doors.HTTPAddr()
	if _, _, err := net.SplitHostPort(address); err != nil || hostOf(address) == "" {
		return "", iam.Errorf(iam.FailedPrecondition,
			"The server does not know the address under which others reach it, which ID tokens name as their issuer: its operator has to set public-url")
	}
	if s.doors.Encrypted() && !s.opts.Dev { // a development server takes both on its port
		return "https://" + address, nil
	}
	return "http://" + address, nil
}

// Paths of pages that programs send people to.
const (
	authorizationPath = "/oauth/authorize"
	endSessionPath    = "/oauth/logout"
)

// openID tells third parties of this server as an issuer of tokens: it implements
// publish.OpenID.
type openID struct{ s *Server }

// discovery is OpenID Connect Discovery 1.0 section 3 and RFC 8414 section 2.
type discovery struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	Keys          string `json:"jwks_uri"`
	Introspection string `json:"introspection_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	Device        string `json:"device_authorization_endpoint"` // RFC 8628 section 4
	EndSession    string `json:"end_session_endpoint"`          // OpenID Connect RP-Initiated Logout 1.0 section 2.1

	ResponseTypes []string `json:"response_types_supported"`
	ResponseModes []string `json:"response_modes_supported"`
	GrantTypes    []string `json:"grant_types_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"` // RFC 7636
	Prompts       []string `json:"prompt_values_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Scopes        []string `json:"scopes_supported"`
	Claims        []string `json:"claims_supported"`

	ClientMethods        []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	KeyProofs            []string `json:"dpop_signing_alg_values_supported"`              // RFC 9449 section 5.1
	NamesIssuer          bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 section 3
	ClaimsParameter      bool     `json:"claims_parameter_supported"`
	RequestParameter     bool     `json:"request_parameter_supported"`
	RequestURIParameter  bool     `json:"request_uri_parameter_supported"` // true where it is left out
}

// Discovery is the provider's configuration.
func (o openID) Discovery(context.Context) ([]byte, error) {
	issuer, err := o.s.issuer()
	if err != nil {
		return nil, err
	}
	withSecret := []string{oauthclient.SecretBasic, oauthclient.SecretPost}
	anyhow := append(slices.Clone(withSecret), oauthclient.NoSecret)
	return json.Marshal(discovery{
		Issuer: issuer, Authorization: issuer + authorizationPath, Token: issuer + oauth.TokenPath, UserInfo: issuer + oauth.UserInfoPath,
		Keys: issuer + publish.IDKeysPath, Introspection: issuer + oauth.IntrospectPath, Revocation: issuer + oauth.RevokePath,
		Device: issuer + oauth.DevicePath, EndSession: issuer + endSessionPath,
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials",
			"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"},
		Challenges: []string{grant.ChallengeMethod}, Prompts: oauthapi.Prompts(), SubjectTypes: []string{"public"}, Algorithms: []string{mint.IDAlgorithm},
		Scopes: oauthclient.Builtin(oauthclient.PublicSDK).Scopes, Claims: mint.IDClaims(),
		ClientMethods: anyhow, IntrospectionMethods: withSecret, RevocationMethods: anyhow,
		KeyProofs: grant.DPoPAlgorithms(), NamesIssuer: true,
	})
}

// JWKS is the key set.
func (o openID) JWKS(ctx context.Context) ([]byte, error) { return o.s.idKeys.JWKS(ctx) }
