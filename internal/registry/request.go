package registry

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const (
	// maxBody is the largest body in bytes: a key file, perhaps all of it
	// written as %XX, and some scopes.
	maxBody = 48 << 10
	// maxQuery is the longest query.
	maxQuery      = 16 << 10
	maxParameters = 64
)

const formType = "application/x-www-form-urlencoded"

// asked is a request for a token, read and not yet judged.
type asked struct {
	user, password iam.Secret
	parameters     url.Values
}

// read takes a request apart: a GET that shows user and password in its header,
// or a POST of a form (OAuth 2.0's password grant).
func (v *visit) read() (*asked, error) {
	headers := v.r.Header["Authorization"]
	if len(headers) > 1 {
		return nil, refuse(http.StatusBadRequest, unsupported, "There is more than one Authorization header")
	}
	given := &asked{}
	if len(headers) == 1 && headers[0] != "" {
		user, password, err := parseBasic(headers[0])
		if err != nil {
			return nil, err
		}
		given.user, given.password = iam.NewSecret(user), iam.NewSecret(password)
	}
	query, err := parseForm(v.r.URL.RawQuery, maxQuery)
	if err != nil {
		return nil, err
	}
	for _, secret := range []string{"password", "refresh_token", "client_secret"} {
		if query.Has(secret) {
			return nil, refuse(http.StatusBadRequest, unsupported, "A secret does not belong into the address, where logs keep it: send "+secret+" in the body of a POST")
		}
	}
	if v.r.Method == http.MethodGet {
		given.parameters = query
		return given, once(query, "service", "client_id")
	}
	if v.r.URL.RawQuery != "" {
		return nil, refuse(http.StatusBadRequest, unsupported, "The parameters of a POST belong into its body, not into the address")
	}
	if given.parameters, err = v.form(); err != nil {
		return nil, err
	}
	return given, given.grant()
}

// grant reads what a form proves itself with.
func (a *asked) grant() error {
	p := a.parameters
	if err := once(p, "service", "client_id", "grant_type", "username", "password"); err != nil {
		return err
	}
	switch p.Get("grant_type") {
	case "password":
	case "refresh_token":
		return refuse(http.StatusUnauthorized, unauthorized, "This server gives out no refresh tokens for registries: sign in with user and password (grant_type=password)")
	default:
		return refuse(http.StatusBadRequest, unsupported, "grant_type must be password")
	}
	user, password := p.Get("username"), p.Get("password")
	if user == "" && password == "" {
		return nil
	}
	if a.user.Reveal() != "" || a.password.Reveal() != "" {
		return refuse(http.StatusBadRequest, unsupported, "User and password come both in the Authorization header and in the body: of two, each side might believe another")
	}
	a.user, a.password = iam.NewSecret(user), iam.NewSecret(password)
	return nil
}

// once refuses parameters that are given twice: of two values, this server and
// whoever else looks might each believe another.
func once(p url.Values, names ...string) error {
	for _, n := range names {
		if len(p[n]) > 1 {
			return refuse(http.StatusBadRequest, unsupported, "A parameter is given twice: "+n)
		}
	}
	return nil
}

// decode fills the gate's message.
func (a *asked) decode(into *propuskpb.IssueRegistryTokenRequest) (err error) {
	into.User, into.Password = a.user.Reveal(), a.password.Reveal()
	into.Service, into.ClientId = a.parameters.Get("service"), a.parameters.Get("client_id")
	into.Scopes, err = parseScopes(a.parameters["scope"])
	return err
}

// parseBasic reads an Authorization header (RFC 7617).
func parseBasic(header string) (user, password string, err error) {
	scheme, value, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", refuse(http.StatusUnauthorized, unauthorized,
			"The Authorization header must hold user and password by the scheme Basic: an IAM token is the password of the user iam")
	}
	value = strings.Trim(value, " ")
	raw, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || strings.ContainsAny(value, "\r\n") || !utf8.Valid(raw) { // the decoder skips line breaks
		return "", "", errNotBasic
	}
	user, password, both := strings.Cut(string(raw), ":")
	if !both {
		return "", "", errNotBasic
	}
	return user, password, nil
}

var errNotBasic = refuse(http.StatusUnauthorized, unauthorized, "The Authorization header is not user and password, joined by a colon, in Base64")

// form reads the body of a POST.
func (v *visit) form() (url.Values, error) {
	r := v.r
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, refuse(http.StatusUnsupportedMediaType, unsupported, "The body has a Content-Encoding: send it as it is")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != formType || len(r.Header["Content-Type"]) != 1 {
		return nil, refuse(http.StatusUnsupportedMediaType, unsupported, "The Content-Type of the body must be "+formType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(v.w, r.Body, maxBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, unsupported, "The body did not arrive whole")
	}
	return parseForm(string(body), maxBody)
}

var errTooLarge = refuse(http.StatusRequestEntityTooLarge, unsupported, "The request is larger than any that means something")

// parseForm reads pairs joined by "&".
func parseForm(text string, most int) (url.Values, error) {
	if len(text) > most || strings.Count(text, "&") >= maxParameters {
		return nil, errTooLarge
	}
	out, err := url.ParseQuery(text)
	if err != nil {
		return nil, errNotEncoded // its own text may quote a password
	}
	for name, values := range out {
		for _, text := range append(values, name) {
			if !utf8.ValidString(text) || name != "password" && strings.ContainsFunc(text, control) {
				return nil, errNotEncoded
			}
		}
	}
	return out, nil
}

func control(r rune) bool { return r < 0x20 || r == 0x7f }

var errNotEncoded = refuse(http.StatusBadRequest, unsupported, "The parameters are not percent-encoded UTF-8 without control characters")

// shown is what may be repeated of a text that a client has made up.
func shown(text string) string {
	const most = 64
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return iam.Conceal(text)
}
