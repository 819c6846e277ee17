package iam

import "strings"

// CanonicalEmail is the one form in which an e-mail address is kept and compared:
// without capitals of ASCII, which hardly a mail server tells apart. No other
// letter changes: those that Unicode folds into each other are of different
// mailboxes, and who has one of them must not become who has the other.
func CanonicalEmail(address string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, address)
}
