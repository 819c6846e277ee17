package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/iam"
)

const (
	// maxBody is the largest body in bytes: a few tokens of eight kilobytes.
	maxBody = 64 << 10
	// maxParameters is more than any grant has.
	maxParameters = 100
)

const formType = "application/x-www-form-urlencoded"

// form is the parameters of a request, each once: of two values, this server and
// whoever else looks might each believe another. One without a value counts as
// left out (RFC 6749 section 3.2).
type form map[string]string

// readForm takes the parameters out of the body of a POST. Those of its address
// would be secrets in the logs of every proxy: none are taken there.
func (v *visit) readForm() error {
	r := v.r
	if r.URL.RawQuery != "" {
		return fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "Parameters belong into the body, not into the address")
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fail(http.StatusUnsupportedMediaType, iam.OAuthInvalidRequest, "The body has a Content-Encoding: send it as it is")
	}
	if !isForm(r.Header["Content-Type"]) {
		return fail(http.StatusUnsupportedMediaType, iam.OAuthInvalidRequest,
			"The Content-Type of the body must be "+formType+" in UTF-8: OAuth 2.0 takes parameters as a form, not as JSON")
	}
	body, err := io.ReadAll(http.MaxBytesReader(v.w, r.Body, maxBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return fail(http.StatusRequestEntityTooLarge, iam.OAuthInvalidRequest, "The body is larger than 64 KiB")
	}
	if err != nil {
		return fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "The body did not arrive whole")
	}
	v.form, err = parseForm(string(body))
	return err
}

// isForm tells whether a body is said to be a form, once and in UTF-8.
func isForm(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	kind, more, err := mime.ParseMediaType(contentType[0])
	if err != nil || kind != formType {
		return false
	}
	charset, said := more["charset"]
	return !said || strings.EqualFold(charset, "utf-8")
}

// parseForm reads pairs joined by "&".
func parseForm(text string) (form, error) {
	out, seen := form{}, 0
	names := map[string]bool{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		if seen++; seen > maxParameters {
			return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "There are more than %d parameters", maxParameters)
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := unescape(name)
		if err == nil {
			value, err = unescape(value)
		}
		if err != nil {
			return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "The parameters are not percent-encoded UTF-8 without control characters")
		}
		if names[name] {
			return nil, fail(http.StatusBadRequest, iam.OAuthInvalidRequest, "A parameter is given twice: %s", shown(name))
		}
		names[name] = true
		if value != "" {
			out[name] = value
		}
	}
	return out, nil
}

var errNotText = errors.New("no text")

// unescape decodes a name or a value of a form. No parameter of the protocol has
// control characters (RFC 6749 appendix A).
func unescape(text string) (string, error) {
	out, err := url.QueryUnescape(text)
	if err != nil || !utf8.ValidString(out) {
		return "", errNotText
	}
	for _, c := range []byte(out) {
		if c < 0x20 || c == 0x7f {
			return "", errNotText
		}
	}
	return out, nil
}

// shown is what may be repeated of a text that a client has made up.
func shown(text string) string {
	const most = 64
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return iam.Conceal(text)
}
