package credential

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// canonicalDigest is the SHA-256 of the canonical request: a line each for the
// method, the path and the query, one for every signed header, an empty one,
// the list of signed headers, and what stands for the body.
func (w *wire) canonicalDigest(s *signed4, query []parameter, payload string) string {
	var b strings.Builder
	b.WriteString(w.Method)
	b.WriteByte('\n')
	if s.Service == serviceS3 {
		canonicalObjectPath(&b, w.path)
	} else {
		canonicalPath(&b, w.path)
	}
	b.WriteByte('\n')
	canonicalQuery(&b, query)
	b.WriteByte('\n')
	for _, name := range s.headers {
		b.WriteString(name)
		b.WriteByte(':')
		for i, value := range w.headers[name] {
			if i > 0 {
				b.WriteByte(',')
			}
			collapse(&b, value)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(s.headers, ";"))
	b.WriteByte('\n')
	b.WriteString(payload)
	digest := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(digest[:])
}

// canonicalObjectPath is the path of S3: escaped once, nothing else, since dots
// and slashes are part of an object's name. What was escaped on the way may
// have been escaped more or less than the signer did; an escaped slash, though,
// is not the one between two parts.
func canonicalObjectPath(b *strings.Builder, path string) {
	for i, part := range strings.Split(path, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		plain, _ := unescape(part, false) // readWire has looked at the escapes
		escape(b, plain)
	}
}

// canonicalPath is the path of every other service: cleaned of dots and double
// slashes, and escaped once more than it came.
func canonicalPath(b *strings.Builder, path string) {
	var kept []string
	parts := strings.Split(path, "/")
	for _, part := range parts {
		switch part {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, part)
		}
	}
	for _, part := range kept {
		b.WriteByte('/')
		escape(b, part)
	}
	if last := parts[len(parts)-1]; len(kept) == 0 || last == "" || last == "." || last == ".." {
		b.WriteByte('/')
	}
}

// canonicalQuery sorts by the escaped name and then the escaped value.
func canonicalQuery(b *strings.Builder, query []parameter) {
	escaped := make([][2]string, len(query))
	for i, p := range query {
		escaped[i] = [2]string{escapedText(p.name), escapedText(p.value)}
	}
	slices.SortStableFunc(escaped, func(x, y [2]string) int {
		return cmp.Or(strings.Compare(x[0], y[0]), strings.Compare(x[1], y[1]))
	})
	for i, p := range escaped {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(p[1])
	}
}

func escapedText(s string) string {
	var b strings.Builder
	escape(&b, s)
	return b.String()
}

// escape writes all but the unreserved characters (RFC 3986 §2.3) as percent
// signs and upper-case digits.
func escape(b *strings.Builder, s string) {
	const hexadecimal = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hexadecimal[c>>4])
			b.WriteByte(hexadecimal[c&15])
		}
	}
}

// collapse writes a trimmed value with one space for every run of white space.
func collapse(b *strings.Builder, value string) {
	blank := false
	for i := range len(value) {
		c := value[i]
		switch now := c == ' ' || c == '\t'; {
		case !now:
			b.WriteByte(c)
			blank = false
		case !blank:
			b.WriteByte(' ')
			blank = true
		}
	}
}
