// Package leak owns what credentials look like in places where they do not
// belong: the kinds that secret scanners know, how each is recognised, what may
// be shown of one, and a search for all of them that keeps up with a disk. It
// knows no server, no store and no file.
package leak

import (
	"regexp"
	"sync"
)

// Kind is a kind of credential. Its value is the name that the partner protocol
// of the leak detector has for it; the kinds without such a name begin with
// "propusk_" [API fact: leak detector's secret types].
type Kind string

// The kinds.
const (
	IAMToken          Kind = "yandex_cloud_iam_token_v1"
	IAMCookie         Kind = "yandex_cloud_iam_cookie_v1"
	RefreshToken      Kind = "yandex_cloud_iam_refresh_token_v1"
	SessionToken      Kind = "propusk_session_token_v1" // of temporary access keys
	APIKey            Kind = "yandex_cloud_api_key_v1"
	AccessSecret      Kind = "yandex_cloud_iam_access_secret" // of static access keys
	AuthorizedKey     Kind = "yandex_cloud_iam_key_v1"
	OAuthToken        Kind = "yandex_passport_oauth_token"
	OAuthClientSecret Kind = "propusk_oauth_client_secret_v1"
	CaptchaKey        Kind = "yandex_cloud_smartcaptcha_server_key"

	// LockboxSecret is whatever a person keeps under a name of their own: it has
	// no checksum and matches most words that begin with "yc". It is listed for
	// those who ask which kinds there are; Find does not look for it.
	LockboxSecret Kind = "yandex_cloud_lockbox_secret_v1"
)

// The secret of an ephemeral access key is no kind: it is 43 characters that
// nothing tells from any other random ones, and it is worth nothing without its
// session token, which is one.

// The payload of a token, 200 to 7,910 characters, in steps that matchers with
// a limit of 1,000 repetitions take.
const (
	payload = `[A-Z0-9a-z_-]{200,1000}` + more
	more    = upTo1000 + upTo1000 + upTo1000 + upTo1000 + upTo1000 + upTo1000 + `[A-Z0-9a-z_-]{0,910}[=]{0,2}`

	upTo1000 = `[A-Z0-9a-z_-]{0,1000}`
	tail     = `\.[A-Z0-9a-z_-]{86}[=]{0,2}`
)

// matchers are the published ones [API fact: published regexes and the partner
// protocol's secret types]; of session tokens, OAuth client secrets and keys
// with the warning line they are ours.
var matchers = [...]struct {
	kind    Kind
	matcher string
}{
	{IAMToken, `t1\.` + payload + tail},
	{IAMCookie, `c1\.` + payload + tail},
	{RefreshToken, `rt1\.` + payload + tail},
	{SessionToken, `s1\.[A-Z0-9a-z_-]{150,1000}` + more + `\.[A-Z0-9a-z_-]{43,86}[=]{0,2}`},
	{APIKey, `AQ(?:VN|W9)[A-Za-z0-9_\-]{35,38}`},
	{AccessSecret, `YC[a-zA-Z0-9_\-]{38}`},
	{AuthorizedKey, `PLEASE DO NOT REMOVE THIS LINE! Yandex\.Cloud SA Key ID (?:<|\\+u003[cC])[A-Za-z0-9_-]{1,50}(?:>|\\+u003[eE])` +
		`(?:\s|\\+[nr])+-----BEGIN PRIVATE KEY-----(?:\s|\\+[nr/]|[A-Za-z0-9+/=])+-----END PRIVATE KEY-----`},
	{OAuthToken, `y[0-6]_[-_A-Za-z0-9]{55,199}`},
	{OAuthClientSecret, `yccs__[0-9a-f]{64}_[0-9a-f]{8}`},
	{CaptchaKey, `ysc2_[a-zA-Z0-9]{40}[0-9a-f]{8}`},
	{LockboxSecret, `(yc|YC)[!-~]{18,254}`},
}

// Kinds are all of them, in a fixed order.
func Kinds() []Kind {
	kinds := make([]Kind, 0, len(matchers))
	for _, m := range matchers {
		kinds = append(kinds, m.kind)
	}
	return kinds
}

// Known tells whether there is such a kind.
func (k Kind) Known() bool { return k.Matcher() != "" }

// Sought tells whether Find looks for the kind.
func (k Kind) Sought() bool { return k.Known() && k != LockboxSecret }

// Matcher is the regular expression (RE2) by which code hosts look for the
// kind; "" for an unknown one. What it matches is not yet known to be a
// credential: Valid tells.
func (k Kind) Matcher() string {
	for _, m := range matchers {
		if m.kind == k {
			return m.matcher
		}
	}
	return ""
}

var compiled sync.Map // Kind to *regexp.Regexp

// Regexp is the kind's matcher, compiled when it is first asked for; nil for an
// unknown kind. Those of tokens are large (some 100 kB of memory).
func (k Kind) Regexp() *regexp.Regexp {
	if r, ok := compiled.Load(k); ok {
		return r.(*regexp.Regexp)
	}
	if !k.Known() {
		return nil
	}
	r, _ := compiled.LoadOrStore(k, regexp.MustCompile(k.Matcher()))
	return r.(*regexp.Regexp)
}

// Match is where a credential stands: text[Start:End].
type Match struct {
	Kind       Kind
	Start, End int
}
