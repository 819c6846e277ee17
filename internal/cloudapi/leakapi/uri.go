package leakapi

import (
	"encoding/hex"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
)

// concealURI is what of a finding's address may be kept: an address may hold
// secrets itself, the finding among them. The values of the query and of a
// fragment that looks like one are hidden, and so are a user's name and password
// and, escaped or not, what looks like a credential.
func concealURI(uri string) string {
	address, fragment, _ := strings.Cut(uri, "#")
	address, query, asked := strings.Cut(address, "?")
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		authority, path, slash := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			authority = "****" + authority[at:]
		}
		address = scheme + "://" + authority
		if slash {
			address += "/" + path
		}
	}
	if asked {
		address += "?" + concealValues(query)
	}
	if strings.ContainsAny(fragment, "=&") {
		fragment = concealValues(fragment)
	}
	if fragment != "" {
		address += "#" + fragment
	}
	for plain, times := address, 0; times < maxEscaped; times++ {
		plain = unescape(plain)
		if hidden := conceal(plain); hidden != plain {
			return hidden
		}
	}
	return conceal(address)
}

// conceal hides what looks like a credential, and what is one for certain
// wherever it stands within a word.
func conceal(text string) string {
	text = iam.Conceal(text)
	var b strings.Builder
	seen := 0
	leak.Find([]byte(text), func(m leak.Match) {
		b.WriteString(text[seen:m.Start] + leak.Mask(m.Kind, text[m.Start:m.End]))
		seen = m.End
	})
	return b.String() + text[seen:]
}

// maxEscaped is how often an address is looked through: escapes may be escaped.
const maxEscaped = 3

// unescape reads what percent-encoding there is and leaves the rest: addresses
// come from anywhere.
func unescape(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b = append(b, c...)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func concealValues(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, _, ok := strings.Cut(pair, "="); ok {
			pairs[i] = name + "=****"
		}
	}
	return strings.Join(pairs, "&")
}
