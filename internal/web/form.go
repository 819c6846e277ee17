package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxForm is the largest form in bytes; the largest that means anything has two
// passwords of 1,024 characters, each byte perhaps written as %XX.
const maxForm = 64 << 10

// fields are those of a form or a query by their names, each once.
type fields map[string]string

// readQuery reads the query string.
func (v *visit) readQuery() {
	var err error
	if v.query, err = parseFields(v.r.URL.RawQuery); err != nil {
		v.trouble = refused(http.StatusBadRequest, "error.link")
	}
	v.honourLocales(v.query)
}

// readForm reads the form of a POST, unless the query was refused.
func (v *visit) readForm() {
	if v.trouble != nil {
		return
	}
	v.form, v.trouble = v.decodeForm()
	v.honourLocales(v.form)
}

func (v *visit) decodeForm() (fields, error) {
	if !isForm(v.r.Header["Content-Type"]) {
		return nil, refused(http.StatusUnsupportedMediaType, "error.not_a_form")
	}
	if e := v.r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, refused(http.StatusUnsupportedMediaType, "error.not_a_form")
	}
	if v.r.ContentLength > maxForm {
		return nil, refused(http.StatusRequestEntityTooLarge, "error.too_large")
	}
	body, err := io.ReadAll(http.MaxBytesReader(v.w, v.r.Body, maxForm))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, refused(http.StatusRequestEntityTooLarge, "error.too_large")
	}
	if err != nil {
		return nil, refused(http.StatusBadRequest, "error.form")
	}
	return parseFields(string(body))
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

// parseFields reads pairs joined by "&". One name has one value: of two, this
// door and whoever else looks might each believe another.
func parseFields(text string) (fields, error) {
	out := fields{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil || !utf8.ValidString(name) || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return nil, refused(http.StatusBadRequest, "error.form")
		}
		if _, twice := out[name]; twice {
			return nil, refused(http.StatusBadRequest, "error.form")
		}
		out[name] = value
	}
	return out, nil
}

// validText is a text with what is no UTF-8 replaced.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
