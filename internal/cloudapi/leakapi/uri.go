package leakapi

import (
	"net/url"
	"strings"

	"github.com/propusk/propusk/internal/iam"
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
	if plain, err := url.PathUnescape(address); err == nil && plain != address && iam.Conceal(plain) != plain {
		address = plain
	}
	return iam.Conceal(address)
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
