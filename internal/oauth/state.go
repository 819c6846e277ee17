package oauth

import (
	"net/http"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// introspection is RFC 7662 section 2.2. Of a token that is not live nothing is
// told.
type introspection struct {
	Active      bool   `json:"active"`
	Scope       string `json:"scope,omitempty"`
	ClientID    string `json:"client_id,omitempty"`
	Username    string `json:"username,omitempty"`
	TokenType   string `json:"token_type,omitempty"`
	ExpiresAt   int64  `json:"exp,omitempty"`
	IssuedAt    int64  `json:"iat,omitempty"`
	Subject     string `json:"sub,omitempty"`
	Audience    string `json:"aud,omitempty"`
	Issuer      string `json:"iss,omitempty"`
	TokenID     string `json:"jti,omitempty"`
	SubjectType string `json:"subject_type,omitempty"`
}

// introspect is the introspection endpoint.
func (v *visit) introspect() (any, error) {
	if err := v.readForm(); err != nil {
		return nil, err
	}
	client, err := v.client(false)
	if err != nil {
		return nil, err
	}
	if v.form["token"] == "" {
		return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "The parameter token is missing")
	}
	m, err := ask[*propuskpb.IntrospectTokenResponse](v, propuskpb.OAuthService_Introspect_FullMethodName,
		&propuskpb.IntrospectTokenRequest{Client: client, Token: v.form["token"], TokenTypeHint: v.form["token_type_hint"]})
	if err != nil {
		return nil, err
	}
	if !m.GetActive() {
		return &introspection{}, nil
	}
	return &introspection{Active: true, Scope: m.GetScope(), ClientID: m.GetClientId(), Username: m.GetUsername(), TokenType: m.GetTokenType(),
		ExpiresAt: seconds(m.GetExpiresAt()), IssuedAt: seconds(m.GetIssuedAt()), Subject: m.GetSubjectId(), Audience: m.GetAudience(),
		Issuer: m.GetIssuer(), TokenID: m.GetTokenId(), SubjectType: m.GetSubjectType()}, nil
}

func seconds(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.GetSeconds()
}

// revoke is the revocation endpoint (RFC 7009 section 2.2: no content).
func (v *visit) revoke() (any, error) {
	if err := v.readForm(); err != nil {
		return nil, err
	}
	client, err := v.client(false)
	if err != nil {
		return nil, err
	}
	if v.form["token"] == "" {
		return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "The parameter token is missing")
	}
	_, err = ask[*propuskpb.RevokeOAuthGrantResponse](v, propuskpb.OAuthService_Revoke_FullMethodName,
		&propuskpb.RevokeOAuthGrantRequest{Client: client, Token: v.form["token"], TokenTypeHint: v.form["token_type_hint"]})
	return nil, err
}

// claims are OpenID Connect Core 1.0 section 5.1 as far as they are known.
type claims struct {
	Subject           string   `json:"sub"`
	Name              string   `json:"name,omitempty"`
	GivenName         string   `json:"given_name,omitempty"`
	FamilyName        string   `json:"family_name,omitempty"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
	Email             string   `json:"email,omitempty"`
	EmailVerified     *bool    `json:"email_verified,omitempty"`
	Groups            []string `json:"groups,omitempty"`
	UpdatedAt         int64    `json:"updated_at,omitempty"`
	SubjectType       string   `json:"subject_type,omitempty"`
}

// userInfo is the userinfo endpoint.
func (v *visit) userInfo() (any, error) {
	text, err := v.accessToken()
	if err != nil {
		return nil, err
	}
	m, err := ask[*propuskpb.GetUserInfoResponse](v, propuskpb.OAuthService_GetUserInfo_FullMethodName, &propuskpb.GetUserInfoRequest{AccessToken: text})
	if err != nil {
		return nil, err
	}
	out := &claims{Subject: m.GetSub(), Name: m.GetName(), GivenName: m.GetGivenName(), FamilyName: m.GetFamilyName(),
		PreferredUsername: m.GetPreferredUsername(), Email: m.GetEmail(), Groups: m.GetGroups(), UpdatedAt: m.GetUpdatedAt(), SubjectType: m.GetSubjectType()}
	if out.Email != "" {
		out.EmailVerified = new(m.GetEmailVerified())
	}
	return out, nil
}

// accessToken is the token that the request shows: in the header, or in the body
// of a form (RFC 6750 section 2.1 and 2.2), never in the address.
func (v *visit) accessToken() (string, error) {
	headers := v.r.Header["Authorization"]
	if len(headers) > 1 {
		return "", fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "There is more than one Authorization header")
	}
	if v.r.URL.RawQuery != "" && v.r.URL.Query().Has("access_token") {
		return "", fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "A token in the address is known to every proxy: send it in the Authorization header, and end this one")
	}
	inBody := ""
	if v.r.Method == http.MethodPost && (len(v.r.Header["Content-Type"]) > 0 || v.r.ContentLength != 0) {
		if err := v.readForm(); err != nil {
			return "", err
		}
		inBody = v.form["access_token"]
	}
	if len(headers) == 0 || headers[0] == "" {
		if inBody == "" {
			return "", &failure{status: http.StatusUnauthorized, code: iam.OAuthInvalidToken, text: "The request shows no access token", silent: true}
		}
		return inBody, nil
	}
	scheme, value, _ := strings.Cut(headers[0], " ")
	value = strings.Trim(value, " ")
	switch {
	case !strings.EqualFold(scheme, bearer) || value == "":
		return "", fail(http.StatusUnauthorized, iam.OAuthInvalidToken, "The Authorization header must be 'Bearer' and an access token")
	case inBody != "":
		return "", fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "There are two access tokens: in the Authorization header and in the body")
	}
	return value, nil
}
