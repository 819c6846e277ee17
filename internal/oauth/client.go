package oauth

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Schemes of the Authorization header that are served.
const (
	basic  = "Basic"
	bearer = "Bearer"
)

// client reads how the client has named itself and shown its secret: in the
// header or in the body, never both (RFC 6749 section 2.3). It is nil when there
// is none and none is needed. A token in the header proves no client, neither to
// introspection, where RFC 7662 would have room for it, nor beside a subject
// token: whoever sends one would believe that it has been looked at.
func (v *visit) client(optional bool) (*propuskpb.OAuthClientProof, error) {
	if v.form["client_assertion"] != "" || v.form["client_assertion_type"] != "" {
		return nil, iam.OAuthError(iam.OAuthInvalidClient, "Assertions of clients are not served: a client shows its secret, or has none")
	}
	headers := v.r.Header["Authorization"]
	if len(headers) > 1 {
		return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "There is more than one Authorization header")
	}
	id, secret := v.form["client_id"], v.form["client_secret"]
	if len(headers) == 1 && headers[0] != "" {
		scheme, value, _ := strings.Cut(headers[0], " ")
		if !strings.EqualFold(scheme, basic) {
			return nil, iam.OAuthError(iam.OAuthInvalidClient, "The Authorization header here is for the id and the secret of a client, by the scheme Basic; a token belongs into the body")
		}
		return v.basicClient(strings.Trim(value, " "), id, secret)
	}
	switch {
	case secret != "" && id == "":
		return nil, iam.OAuthError(iam.OAuthInvalidClient, "client_secret comes without client_id")
	case secret != "":
		return &propuskpb.OAuthClientProof{ClientId: id, ClientSecret: secret, Method: propuskpb.OAuthClientProof_POST}, nil
	case id != "":
		return &propuskpb.OAuthClientProof{ClientId: id, Method: propuskpb.OAuthClientProof_NONE}, nil
	case optional:
		return nil, nil
	}
	return nil, iam.OAuthError(iam.OAuthInvalidClient, "The client does not name itself: client_id is missing")
}

// basicClient reads id and secret out of the header, each encoded as in a form
// (RFC 6749 section 2.3.1). The body may repeat the id.
func (v *visit) basicClient(value, id, secret string) (*propuskpb.OAuthClientProof, error) {
	if secret != "" {
		return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "The client shows a secret both in the Authorization header and in the body")
	}
	given, ok := parseBasic(value)
	if !ok {
		return nil, iam.OAuthError(iam.OAuthInvalidClient, "The Authorization header is not the client's id and secret, each encoded as in a form, joined by a colon, in Base64")
	}
	if id != "" && id != given.GetClientId() {
		return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "The Authorization header names another client than client_id")
	}
	return given, nil
}

func parseBasic(value string) (*propuskpb.OAuthClientProof, bool) {
	raw, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || strings.ContainsAny(value, "\r\n") { // which the decoder skips
		return nil, false
	}
	id, secret, both := strings.Cut(string(raw), ":")
	if !both {
		return nil, false
	}
	if id, err = unescape(id); err != nil || id == "" {
		return nil, false
	}
	if secret, err = unescape(secret); err != nil {
		return nil, false
	}
	return &propuskpb.OAuthClientProof{ClientId: id, ClientSecret: secret, Method: propuskpb.OAuthClientProof_BASIC}, true
}

// dpop is the proof of possession that came with the request, nil without one
// (RFC 9449 section 4.3: one header at most).
func (v *visit) dpop() (*propuskpb.DPoPProof, error) {
	headers := v.r.Header["Dpop"]
	switch {
	case len(headers) == 0:
		return nil, nil
	case len(headers) > 1 || headers[0] == "":
		return nil, iam.OAuthError(iam.OAuthInvalidDPoPProof, "There must be one DPoP header with one proof")
	}
	issuer, err := v.door.Issuer()
	if err != nil {
		return nil, err
	}
	return &propuskpb.DPoPProof{Jwt: headers[0], Method: v.r.Method, Url: issuer + v.path}, nil
}
