package passkey

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Site is where passkeys are good: a relying party.
type Site struct {
	ID      string   // its domain; authenticators keep keys apart by it
	Origins []string // of its pages, scheme://host[:port], as browsers spell them
}

// SiteOf makes the site whose pages are at some addresses, which share a host.
// It fails where browsers have no passkeys: on an address that is no name, and
// without TLS anywhere but on localhost.
func SiteOf(addresses ...string) (Site, error) {
	var s Site
	for _, text := range addresses {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.User != nil {
			return Site{}, fmt.Errorf("%q is no address of a site", text)
		}
		host := strings.ToLower(u.Hostname())
		if !isName(host) {
			return Site{}, fmt.Errorf("passkeys need a name, and %s is none", u.Host)
		}
		local := host == "localhost" || strings.HasSuffix(host, ".localhost")
		if u.Scheme != "https" && !(u.Scheme == "http" && local) {
			return Site{}, fmt.Errorf("passkeys need TLS, and the site is at %s://%s", u.Scheme, u.Host)
		}
		if s.ID != "" && s.ID != host {
			return Site{}, fmt.Errorf("%s and %s are two sites", s.ID, host)
		}
		s.ID = host
		s.Origins = append(s.Origins, originOf(u.Scheme, host, u.Port()))
	}
	if s.ID == "" {
		return Site{}, fmt.Errorf("passkeys need to know the address of the site")
	}
	return s, nil
}

// isName tells names that browsers take for a domain as they are written: in ASCII,
// without a dot at the end, and not numbers, which are addresses however few there are.
func isName(host string) bool {
	if host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return false
	}
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	return !slices.Contains(labels, "") && (last[0] < '0' || last[0] > '9')
}

// originOf spells an origin as browsers do: without the port that is meant anyway.
func originOf(scheme, host, port string) string {
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + port
}

func (s Site) has(origin string) bool { return slices.Contains(s.Origins, origin) }

func (s Site) hash() [32]byte { return sha256.Sum256([]byte(s.ID)) }
