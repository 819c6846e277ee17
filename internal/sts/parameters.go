package sts

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxBody is the largest body in bytes. The largest that means anything has a
// policy of 2,048 characters, each perhaps written as %XX.
const maxBody = 64 << 10

// parameters are those of the query protocol by their names, each once: of two
// values, this door and whoever else looks might each believe another.
type parameters map[string]string

// read takes the parameters out of the query string and, of a POST, the body.
func read(w http.ResponseWriter, r *http.Request) (body []byte, given parameters, _ *refusal) {
	switch r.Method {
	case http.MethodPost, http.MethodGet:
	default:
		w.Header().Set("Allow", "GET, POST")
		return nil, nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "This service takes GET and POST only")
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, nil, refuse(http.StatusBadRequest, validationError, "The body has a Content-Encoding; send it as it is")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, nil, refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The body is larger than 64 KiB")
	}
	if err != nil {
		return nil, nil, refuse(http.StatusBadRequest, "IncompleteBody", "The body did not arrive whole")
	}
	given = parameters{}
	if refused := given.add(r.URL.RawQuery, true); refused != nil {
		return nil, nil, refused
	}
	if len(body) == 0 {
		return body, given, nil
	}
	switch {
	case r.Method == http.MethodGet:
		return nil, nil, refuse(http.StatusBadRequest, validationError, "A GET has no body here; its parameters go into the query string")
	case !isForm(r.Header.Values("Content-Type")):
		return nil, nil, refuse(http.StatusUnsupportedMediaType, "UnsupportedMediaType",
			"The Content-Type of the body must be application/x-www-form-urlencoded, in UTF-8")
	}
	return body, given, given.add(string(body), false)
}

// isForm tells whether a body is said to be a form, once and in UTF-8.
func isForm(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	kind, more, err := mime.ParseMediaType(contentType[0])
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return false
	}
	charset, said := more["charset"]
	return !said || strings.EqualFold(charset, "utf-8")
}

// add reads pairs joined by "&". What a query string holds of the signature is
// no parameter of the action.
func (p parameters) add(text string, query bool) *refusal {
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return refuse(http.StatusBadRequest, "MalformedQueryString", "The parameters are not percent-encoded UTF-8")
		}
		if query && len(name) > len(signaturePrefix) && strings.EqualFold(name[:len(signaturePrefix)], signaturePrefix) {
			continue
		}
		if _, twice := p[name]; twice {
			return refuse(http.StatusBadRequest, invalidParameter, "A parameter is given twice: "+shown(name))
		}
		p[name] = value
	}
	return nil
}

const signaturePrefix = "X-Amz-"
