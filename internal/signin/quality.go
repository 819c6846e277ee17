package signin

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/propusk/propusk/internal/iam"
)

// Lengths of a password, in characters (NIST SP 800-63B: at least 8, and long
// ones are welcome).
const (
	leastPassword = 8
	mostPassword  = 128
)

//go:embed common.txt
var commonText string

// common are the passwords that are tried first, without capitals. They are
// read when the first password is chosen: a server that makes none needs no set.
var common = sync.OnceValue(func() map[string]struct{} {
	set := map[string]struct{}{}
	for word := range strings.FieldsSeq(commonText) {
		set[word] = struct{}{}
	}
	return set
})

// CheckPassword tells why a new password will not do, as INVALID_ARGUMENT about
// a field of the caller's. It asks for length and for not being one of the first
// that anybody would try; about are such words: the login, the e-mail address,
// the name. It asks for no mixture of characters.
func CheckPassword(field string, password iam.Secret, about ...string) error {
	text := password.Reveal()
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return unfit(field, "password_untypable", "has characters that cannot be typed")
	}
	text = norm.NFC.String(text)
	switch n := utf8.RuneCountInString(text); {
	case n < leastPassword:
		return unfit(field, "password_short", "must have at least %d characters", leastPassword)
	case n > mostPassword:
		return unfit(field, "password_long", "must have at most %d characters", mostPassword)
	}
	lower := strings.ToLower(text)
	if monotonous(lower) {
		return unfit(field, "password_monotonous", "repeats few characters, or goes through them in order")
	}
	if _, known := common()[lower]; known {
		return unfit(field, "password_common", "is one of the passwords that are tried first")
	}
	bare := letters(lower)
	for _, word := range about {
		word = strings.ToLower(norm.NFC.String(word))
		local, _, _ := strings.Cut(word, "@")
		for _, w := range []string{word, local} {
			if w != "" && (lower == w || bare == letters(w) && utf8.RuneCountInString(bare) > 2) {
				return unfit(field, "password_personal", "is the login, the e-mail address or the name, or nearly so")
			}
		}
	}
	return nil
}

// unfit is a refusal with a reason word, by which a page finds words of its own.
func unfit(field, reason, format string, args ...any) error {
	e := iam.InvalidField(field, format, args...)
	e.Reason = reason
	return e
}

// monotonous tells of fewer than four different characters, and of a run such
// as 23456789 or hgfedcba.
func monotonous(s string) bool {
	different := map[rune]struct{}{}
	up, down := true, true
	last := rune(-1)
	for _, r := range s {
		different[r] = struct{}{}
		if last >= 0 {
			up, down = up && r == last+1, down && r == last-1
		}
		last = r
	}
	return len(different) < 4 || up || down
}

// letters leaves out everything else, such as the year behind a name.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
}

// normal is the form in which a password is hashed: what looks the same and is
// typed on another keyboard is the same (RFC 8265, section 4.2.2, rule 4).
func normal(password iam.Secret) string { return norm.NFC.String(password.Reveal()) }
