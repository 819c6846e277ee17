package oauthclient

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const longestURI = 1000 // characters [API fact: OAuthClient.redirect_uris]

// WrongURI says what is wrong with a redirect URI of a client of a profile, ""
// when nothing is. What passes has one reading: every browser and every library
// sees the same scheme, host, port and path in it.
//
//   - An absolute URI of printable ASCII, its scheme and host in lower case, with
//     a path or a host after the scheme. No fragment (RFC 6749, section 3.1.2), no
//     user, no wildcard, no backslash, no "." or ".." in the path.
//   - Nothing is escaped in the host. In the path "/", "\", ".", "%" and control
//     characters are not escaped; in the query control characters are not.
//   - https, or http to this very machine (127.0.0.1, localhost). Native programs
//     may have any other scheme, but those that a browser runs or shows itself,
//     and http to [::1] (RFC 8252, section 7) [API fact: redirect URIs by profile].
func WrongURI(profile, uri string) string {
	u, wrong := parse(uri)
	switch {
	case wrong != "":
		return wrong
	case u.scheme == "https":
		return ""
	case u.scheme == "http":
		if u.host == "127.0.0.1" || u.host == "localhost" || profile == Native && u.host == "[::1]" {
			return ""
		}
		return "http is only for 127.0.0.1 and localhost; use https"
	case profile != Native:
		return "must begin with https://"
	case slices.Contains(ownToBrowsers, u.scheme):
		return "the scheme " + u.scheme + " does not lead to a program"
	}
	return ""
}

// ownToBrowsers are schemes that a browser runs, shows or fetches itself.
var ownToBrowsers = []string{"about", "blob", "data", "file", "filesystem", "ftp", "jar", "javascript", "vbscript", "view-source", "ws", "wss"}

// Allows tells whether a client with these redirect URIs may be answered at the
// given one: it is one of them, character by character. For native clients the
// port of an address of this very machine may be any, for it is what was free
// when the program started (RFC 8252, section 7.3).
func Allows(profile string, registered []string, given string) bool {
	if slices.Contains(registered, given) {
		return true
	}
	if profile != Native || WrongURI(profile, given) != "" {
		return false
	}
	g, _ := parse(given)
	if g.scheme != "http" {
		return false
	}
	return slices.ContainsFunc(registered, func(uri string) bool {
		r, wrong := parse(uri)
		return wrong == "" && r.scheme == "http" && r.host == g.host && r.rest == g.rest
	})
}

// parts are a URI cut up: "scheme://host:port" and the rest, path and query. The
// host of an IPv6 address keeps its brackets.
type parts struct{ scheme, host, port, rest string }

func parse(uri string) (u parts, wrong string) {
	if len(uri) > longestURI {
		return u, "is longer than " + strconv.Itoa(longestURI) + " characters"
	}
	for _, c := range []byte(uri) {
		switch {
		case c <= ' ' || c >= 0x7f:
			return u, "has a character that is not printable ASCII; escape it, or write the host in Punycode"
		case strings.IndexByte("\"<>\\^`{|}*#", c) >= 0:
			return u, "has the character " + string(rune(c)) + ": no fragments, wildcards or backslashes"
		}
	}
	scheme, after, ok := strings.Cut(uri, ":")
	if !ok || !isScheme(scheme) {
		return u, "must be absolute and begin with a scheme in lower case"
	}
	u.scheme = scheme
	path := after
	if authority, found := strings.CutPrefix(after, "//"); found {
		end := strings.IndexAny(authority, "/?")
		if end < 0 {
			end = len(authority)
		}
		if u.host, u.port, wrong = parseAuthority(authority[:end]); wrong != "" {
			return u, wrong
		}
		path = authority[end:]
	} else if !strings.HasPrefix(after, "/") {
		return u, "must have a host or a path that begins with / after its scheme"
	}
	if web := scheme == "https" || scheme == "http"; u.host == "" && (web || u.port != "" || !strings.HasPrefix(path, "/")) {
		return u, "must have a host"
	} else if web {
		wrong = wrongHost(u.host)
	}
	if wrong == "" {
		wrong = wrongRest(path)
	}
	u.rest = path
	return u, wrong
}

func isScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// parseAuthority takes host and port apart.
func parseAuthority(s string) (host, port, wrong string) {
	if strings.IndexByte(s, '@') >= 0 {
		return "", "", "must not name a user"
	}
	host = s
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", "has a broken address in brackets"
		}
		address, err := netip.ParseAddr(s[1:end])
		if err != nil || !address.Is6() || address.Zone() != "" || address.String() != s[1:end] {
			return "", "", "has an address in brackets that is not IPv6 in its shortest form"
		}
		host, port = s[:end+1], s[end+1:]
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i:]
	}
	if port != "" {
		port, _ = strings.CutPrefix(port, ":")
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' || strings.HasSuffix(host, "]") && s[len(host)] != ':' {
			return "", "", "has a port that is none"
		}
	}
	if !strings.HasPrefix(host, "[") {
		for _, c := range []byte(host) {
			if (c < 'a' || c > 'z') && !isDigit(c) && c != '-' && c != '.' && c != '_' {
				return "", "", "has a host that is not lower-case letters, digits, hyphens and dots"
			}
		}
	}
	return host, port, ""
}

// wrongHost looks at the host of a web address. What could be read as a number,
// in any of the forms that browsers know, is a number in four parts.
func wrongHost(host string) string {
	if strings.HasPrefix(host, "[") {
		return ""
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return "has a host with a part that is empty, too long, or begins or ends with a hyphen"
		}
	}
	last := labels[len(labels)-1]
	if len(host) > 253 {
		return "has a host that is too long"
	}
	if isDigit(last[0]) {
		if a, err := netip.ParseAddr(host); err != nil || !a.Is4() {
			return "has a host that is neither a name nor an address in four parts"
		}
	}
	return ""
}

// wrongRest looks at path and query.
func wrongRest(rest string) string {
	path, query, _ := strings.Cut(rest, "?")
	if strings.ContainsAny(rest, "[]") {
		return "has brackets outside of an address; escape them"
	}
	for _, segment := range strings.Split(path, "/") {
		if segment == "." || segment == ".." {
			return "has . or .. in its path"
		}
	}
	if why := wrongEscape(path, `/\.%`); why != "" {
		return why
	}
	return wrongEscape(query, "")
}

// wrongEscape looks for escapes that are none, of control characters, or of
// characters that must not be escaped here.
func wrongEscape(s, never string) string {
	for i := strings.IndexByte(s, '%'); i >= 0 && i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if len(s) < i+3 {
			return "has a % that escapes nothing"
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "has a % that escapes nothing"
		}
		if c < ' ' || c == 0x7f || strings.IndexByte(never, byte(c)) >= 0 {
			return "has an escaped character that must not be escaped here: %" + s[i+1:i+3]
		}
	}
	return ""
}
