package credential

import (
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Bearer takes the IAM token out of an Authorization header. Everything else is
// UNAUTHENTICATED with a text that says what kind of credential was given and
// which is expected, and quotes nothing of it.
func Bearer(authorization string) (string, error) {
	if authorization == "" {
		return "", errNoCredential
	}
	scheme, value, _ := strings.Cut(authorization, " ")
	value = strings.Trim(value, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		if value == "" {
			return "", errNoCredential
		}
		if given := kindOf(value); given != "" && given != kindIAMToken {
			return "", errWrongKind(given)
		}
		return value, nil
	case strings.EqualFold(scheme, "Api-Key"):
		if given := kindOf(value); given != "" && given != kindAPIKey {
			return "", refuse("credential_scheme",
				"The Authorization header holds %s behind the word 'Api-Key': an IAM token is expected as 'Bearer <token>'", given)
		}
		return "", errWrongKind(kindAPIKey)
	case strings.EqualFold(scheme, "Basic"):
		return "", errWrongKind("Basic credentials")
	case strings.HasPrefix(scheme, "AWS4-"):
		return "", errWrongKind("an AWS signature")
	case strings.EqualFold(scheme, "DPoP"):
		return "", errWrongKind("a DPoP-bound token")
	}
	if given := kindOf(authorization); given != "" {
		return "", refuse("credential_scheme",
			"The Authorization header holds %s without the word 'Bearer' before it: an IAM token is expected as 'Bearer <token>'", given)
	}
	return "", errWrongKind("another scheme")
}

const (
	kindIAMToken     = "an IAM token"
	kindJWT          = "a JWT"
	kindSessionToken = "a session token"
	kindOAuthToken   = "an OAuth token"
	kindAccessKeyID  = "a static access key's id"
)

// kindOf names the kind of a credential by its looks; "" when it looks like
// none [API fact: formats of credentials].
func kindOf(s string) string {
	switch {
	case strings.HasPrefix(s, "t1."):
		return kindIAMToken
	case strings.HasPrefix(s, "c1."):
		return "an IAM cookie"
	case strings.HasPrefix(s, "rt1."):
		return "a refresh token"
	case strings.HasPrefix(s, "s1."):
		return kindSessionToken
	case strings.HasPrefix(s, apiKeyPrefix), strings.HasPrefix(s, "AQW9"):
		return kindAPIKey
	case strings.HasPrefix(s, "eyJ"):
		return kindJWT
	case len(s) > 3 && s[0] == 'y' && s[1] >= '0' && s[1] <= '6' && s[2] == '_':
		return kindOAuthToken
	case strings.HasPrefix(s, "yccs__"):
		return "an OAuth client's secret"
	case strings.HasPrefix(s, "ysc2_"):
		return "a SmartCaptcha key"
	case strings.HasPrefix(s, "PLEASE DO NOT REMOVE THIS LINE!"), strings.HasPrefix(s, "-----BEGIN"),
		strings.HasPrefix(s, "{") && strings.Contains(s, "PRIVATE KEY-----"):
		return "an authorized key"
	case strings.HasPrefix(s, "YC"):
		return ofAccessKey[len(s)]
	}
	return ""
}

// ofAccessKey tells by its length what begins with "YC" [API fact: lengths of
// key ids and secrets, static and ephemeral].
var ofAccessKey = map[int]string{
	accessKeyIDLength: kindAccessKeyID, accessKeySecretLength: "a static access key's secret", 43: "a temporary access key's secret",
}

// KindOf names the kind of a credential by its looks, with its article; "" when
// it looks like none.
func KindOf(text string) string { return kindOf(text) }

var errNoCredential = refuse("credential_missing",
	"The request carries no credential: an IAM token is expected in the header 'Authorization: Bearer <token>'")

func errWrongKind(given string) *iam.Error {
	if given == kindAPIKey {
		return refuse("credential_kind", "API keys are not accepted here; "+
			"the Authorization header holds an API key: an IAM token is expected as 'Bearer <token>'")
	}
	return refuse("credential_kind", "The Authorization header holds %s: an IAM token is expected as 'Bearer <token>'", given)
}
