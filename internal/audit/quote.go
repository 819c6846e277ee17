package audit

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of one line. Texts are measured in bytes of valid UTF-8 and cut with
// an ellipsis; what exceeds a count is left out.
const (
	MaxEventSize = 1 << 20 // bytes of one line, whatever the event holds

	maxID          = 128 // ids, types, digests
	maxName        = 256
	maxUserAgent   = 512
	maxText        = 1024 // error messages and the texts of details
	maxPath        = 16
	maxPermissions = 32
	maxDepth       = 4
	maxDetails     = 8192      // details of an event, at any depth
	maxDetailBytes = 512 << 10 // of what they are written as
)

const ellipsis = "…"

const hexDigits = "0123456789abcdef"

// plain says which bytes stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendString appends s as a JSON string of at most limit bytes of text. What
// is not valid UTF-8 becomes U+FFFD, and what does not print is escaped, so that
// a line stays one line and a terminal shows it without being steered by it.
func appendString(b []byte, s string, limit int) []byte {
	b = append(b, '"')
	i := 0
	if len(s) <= limit {
		for i < len(s) && plain[s[i]] {
			i++
		}
		if b = append(b, s[:i]...); i == len(s) {
			return append(b, '"')
		}
	}
	return append(appendRest(b, s, i, limit), '"')
}

// appendFree is appendString for a text that a caller chose.
func appendFree(b []byte, s string, limit int) []byte {
	if len(s) > 8*limit {
		s = s[:8*limit] // far beyond what is written, and it bounds the work
	}
	return appendString(b, scrub(s), limit)
}

// appendRest appends s from byte i on, of which i bytes are written already or
// none when s is too long to be written whole.
func appendRest(b []byte, s string, i, limit int) []byte {
	size, cut := i, len(b) // cut: where the text ends when an ellipsis must follow
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		size += utf8.RuneLen(r)
		if size > limit {
			return append(b[:cut], ellipsis...)
		}
		b = appendRune(b, r)
		if size <= limit-len(ellipsis) {
			cut = len(b)
		}
	}
	return b
}

func appendRune(b []byte, r rune) []byte {
	switch {
	case r < utf8.RuneSelf && plain[byte(r)]:
		return append(b, byte(r))
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r >= utf8.RuneSelf && unicode.IsPrint(r):
		return utf8.AppendRune(b, r)
	case r > 0xffff:
		r -= 0x10000
		return appendUnit(appendUnit(b, 0xd800+r>>10), 0xdc00+r&0x3ff)
	}
	return appendUnit(b, r)
}

func appendUnit(b []byte, u rune) []byte {
	return append(b, '\\', 'u', hexDigits[u>>12&15], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}

// Masked is a token with all but its beginning hidden. Only MaskToken makes one,
// so that no token gets into an event by assignment.
type Masked struct{ text string }

// String is the masked form.
func (m Masked) String() string { return m.text }

// UnmarshalText takes a form that was masked before; anything else is masked.
func (m *Masked) UnmarshalText(b []byte) error {
	m.text = string(b)
	if !strings.HasSuffix(m.text, stars) || len(m.text) > keptOfToken+len(stars) {
		*m = MaskToken(m.text)
	}
	return nil
}

const (
	stars       = "********"
	keptOfToken = 19 // [API fact: the documentation's mask]
)

// MaskToken keeps the first 19 characters of a token; of what is too short to
// be one, nothing.
func MaskToken(token string) Masked {
	if token == "" {
		return Masked{}
	}
	if len(token) < 4*keptOfToken {
		return Masked{stars}
	}
	return Masked{strings.ToValidUTF8(token[:keptOfToken], "") + stars}
}

// secretForms are how the secrets of this API begin, and the length from which
// a run of token characters counts as one [API fact: the patterns for scanners].
var secretForms = []struct {
	prefix string
	length int
}{{"t1.", 64}, {"eyJ", 64}, {"AQVN", 39}, {"y0_", 58}, {"y1_", 58}, {"y2_", 58}, {"y3_", 58}, {"y4_", 58}, {"y5_", 58}, {"y6_", 58}}

// scrub masks what looks like a secret in a text that a caller chose: people
// do put tokens into user agents and names.
func scrub(s string) string {
	if len(s) < 39 {
		return s
	}
	for _, form := range secretForms {
		for from := 0; ; {
			i := strings.Index(s[from:], form.prefix)
			if i < 0 {
				break
			}
			start := from + i
			end := start
			for end < len(s) && isTokenByte(s[end]) {
				end++
			}
			if end-start < form.length {
				from = start + 1
				continue
			}
			kept := start + min(keptOfToken, form.length/4)
			s = s[:kept] + stars + s[end:]
			from = kept
		}
	}
	return s
}

func isTokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_' || c == '.' || c == '~' || c == '+' || c == '/'
}
