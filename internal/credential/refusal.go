package credential

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// refuse makes the answer to a caller whose proof failed: UNAUTHENTICATED,
// which SDKs do not retry, whatever is wrong with the credential. No refusal
// quotes the credential; a caller who proved nothing learns nothing of accounts.
func refuse(reason, format string, args ...any) *iam.Error {
	e := iam.Errorf(iam.Unauthenticated, format, args...)
	e.Reason = reason
	return e
}

// Refusals of a JWT, in the order in which they are found.
var (
	errJWTEmpty     = refuse("jwt_empty", "The JWT is empty")
	errJWTTooLong   = refuse("jwt_too_long", "The JWT is longer than %d bytes", maxJWT)
	errJWTParts     = refuse("jwt_malformed", "The JWT must have three parts separated by dots")
	errJWTLineBreak = refuse("jwt_malformed", "The JWT has a line break in it")

	errAlgorithm = refuse("jwt_algorithm", "The JWT must be signed with PS256: 'alg' in its header names another algorithm or none")
	errCritical  = refuse("jwt_critical", "The field 'crit' in the JWT header is not supported")
	errNoKid     = refuse("jwt_kid_missing", "The required field 'kid' is missing from the JWT header") // [API fact: observed text]

	errNoIss = missing("iss")
	errNoAud = missing("aud")
	errNoIat = missing("iat")
	errNoExp = missing("exp")

	errAudienceType = refuse("jwt_malformed", "The field 'aud' in the JWT claims must be a string or an array of strings")
	errEmptyID      = refuse("jwt_malformed", "The field 'jti' in the JWT claims is empty")
	errBackwards    = refuse("jwt_life", "The JWT expires before it is issued: 'exp' must be after 'iat'")
	errAudience     = refuse("jwt_audience", "The JWT is meant for another audience: 'aud' names none of this server's")

	errUnknownKey = refuse("jwt_key_unknown", "The key that 'kid' names in the JWT header is unknown, has been deleted, or is not a key of the account in 'iss'")
	errSignature  = refuse("jwt_signature", "The JWT signature does not match the key that 'kid' names")

	// Said only to a caller whose signature verified under the named key.
	errOtherAccount = refuse("jwt_key_of_another_account", "The key that 'kid' names in the JWT header belongs to another account than the one in 'iss'")
	errReplayed     = refuse("jwt_replayed", "The JWT has been used already: one with a 'jti' is accepted once")
)

func errNotJWT(given string) *iam.Error {
	return refuse("credential_kind", "The JWT is %s: a JWT signed with an authorized key is expected", given)
}

// A caller whose clock is wrong is told this server's time, by which clients
// sign again; a Date header tells it to anybody.
func errExpired(now time.Time) *iam.Error {
	return refuse("jwt_expired", "The JWT has expired: the time here is %s", now.UTC().Format(time.RFC3339))
}

func errFuture(claim string, now time.Time) *iam.Error {
	return refuse("jwt_not_yet_valid", "The JWT is not valid yet: '%s' is in the future: the time here is %s", claim, now.UTC().Format(time.RFC3339))
}

func errLife(longest time.Duration) *iam.Error {
	return refuse("jwt_life", "The JWT lives too long: 'exp' may be at most %d seconds after 'iat'", int64(longest/time.Second))
}

func missing(claim string) *iam.Error {
	return refuse("jwt_"+claim+"_missing", "The required field '%s' is missing from the JWT claims", claim)
}

func errBase64(part string) *iam.Error {
	return refuse("jwt_malformed", "The JWT %s is not base64url without padding", part)
}

func errJSON(part string, f flaw) *iam.Error {
	switch f {
	case flawUTF8:
		return refuse("jwt_malformed", "The JWT %s holds invalid UTF-8", part)
	case flawDuplicate:
		return refuse("jwt_malformed", "The JWT %s gives a field twice", part)
	case flawDepth:
		return refuse("jwt_malformed", "The JWT %s nests deeper than %d levels", part, maxDepth)
	default:
		return refuse("jwt_malformed", "The JWT %s is not a valid JSON object", part)
	}
}

func errNotString(part, field string) *iam.Error {
	return refuse("jwt_malformed", "The field '%s' in the JWT %s must be a string", field, part)
}

func errNotTime(claim string) *iam.Error {
	return refuse("jwt_malformed", "The field '%s' in the JWT claims must be a number of seconds since 1970", claim)
}

func errNegativeTime(claim string) *iam.Error {
	return refuse("jwt_malformed", "The field '%s' in the JWT claims must not be negative", claim)
}

func errHugeTime(claim string) *iam.Error {
	return refuse("jwt_malformed", "The field '%s' in the JWT claims is too far in the future", claim)
}

// Refusals of an account, said only behind a proof that it is the caller's.
func errDeleted(id string) *iam.Error {
	return refuse("account_deleted", "The service account %s has been deleted", id)
}

func errSuspended(id string) *iam.Error {
	return refuse("account_suspended", "The service account %s is suspended", id)
}

func errAccountExpired(id string) *iam.Error {
	return refuse("account_expired", "The service account %s has expired", id)
}
