package credential

import "strings"

// parameter is one of a query. Names and values are decoded as forms are: a
// plus is a space, as whoever reads the query will have it.
type parameter struct {
	name, value string
	raw         string // the value as it came
	valued      bool   // there was a "="
}

// readWire takes a request apart and refuses what HTTP does not allow (RFC
// 9110 §5, RFC 9112 §3): a line break in the wrong place would let one string
// to sign stand for two requests.
func readWire(r *HTTPRequest) (*wire, error) {
	w := &wire{HTTPRequest: r}
	if len(r.Method) > 32 || !isToken(r.Method) {
		return nil, errMethod
	}
	if len(r.Target) > maxTarget || !strings.HasPrefix(r.Target, "/") || !isText(r.Target) || strings.Contains(r.Target, "#") {
		return nil, errTarget
	}
	if r.PayloadSHA256 != "" && !isHex(r.PayloadSHA256, 64) {
		return nil, errPayload
	}
	if err := w.readHeaders(); err != nil {
		return nil, err
	}
	var query string
	w.path, query, _ = strings.Cut(r.Target, "?")
	if _, ok := unescape(w.path, false); !ok {
		return nil, errEscape
	}
	return w, w.readQuery(query)
}

func (w *wire) readHeaders() error {
	if len(w.Header) > maxHeaders {
		return errHeaders
	}
	total := 0
	w.headers = make(map[string][]string, len(w.Header))
	for _, h := range w.Header {
		total += len(h.Name) + len(h.Value)
		if len(h.Name) > maxHeaderName || len(h.Value) > maxHeaderValue || total > maxHeaderBytes {
			return errHeaders
		}
		value := unfold(h.Value)
		if !isToken(h.Name) || !isText(value) {
			return errHeaderForm
		}
		name := strings.ToLower(h.Name)
		w.headers[name] = append(w.headers[name], strings.Trim(value, " \t"))
	}
	return nil
}

func (w *wire) readQuery(query string) error {
	if strings.Count(query, "&") >= maxParameters {
		return errParameters
	}
	for piece := range strings.SplitSeq(query, "&") {
		if piece == "" {
			continue
		}
		name, value, valued := strings.Cut(piece, "=")
		p := parameter{raw: value, valued: valued}
		var ok, alike bool
		if p.name, ok = unescape(name, true); ok {
			p.value, alike = unescape(value, true)
		}
		if !ok || !alike {
			return errEscape
		}
		w.query = append(w.query, p)
	}
	return nil
}

// unfold makes one line of a header that continues on the next (RFC 9112 §5.2).
func unfold(value string) string {
	if !strings.Contains(value, "\n") {
		return value
	}
	value = strings.ReplaceAll(value, "\r\n", "\n")
	value = strings.ReplaceAll(value, "\n ", "  ")
	return strings.ReplaceAll(value, "\n\t", "  ")
}

// isText tells whether a text has no control characters but tabs.
func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isToken tells whether a text is a name (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// unescape decodes what stands behind percent signs, and a plus when it stands
// for a space.
func unescape(s string, plus bool) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) {
				return "", false
			}
			high, ok := nibble(s[i+1])
			low, alike := nibble(s[i+2])
			if !ok || !alike {
				return "", false
			}
			b.WriteByte(high<<4 | low)
			i += 2
		case c == '+' && plus:
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
