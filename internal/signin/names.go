package signin

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/resource"
)

// A login has no @, so that it is never somebody else's e-mail address.
var legalLogin = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$`)
})

// CheckLogin tells why a login will not do, as INVALID_ARGUMENT about the field login.
func CheckLogin(login string) error {
	if !legalLogin().MatchString(login) {
		return unfit("login", "login_wrong", "1 to 100 letters, digits, dots, hyphens and underscores; it begins and ends with a letter or digit")
	}
	// Operators name people by either: what is meant for one would be the other's.
	if strings.HasPrefix(login, resource.PrefixIAM) && len(login) == 20 && !strings.ContainsAny(login, "._-") {
		return unfit("login", "login_wrong", "looks like an id")
	}
	return nil
}

// CheckName tells why a person's name will not do, as INVALID_ARGUMENT about a
// field of the caller's.
func CheckName(field, name string) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > 256 || strings.ContainsFunc(name, misleads) {
		return unfit(field, "name_wrong", "at most 256 characters, and none that cannot be shown")
	}
	return nil
}

// misleads tells a character that nobody sees and that changes how others are
// read: in a terminal's list a name must not reorder what stands beside it.
func misleads(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
