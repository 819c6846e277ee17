package signin

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Places are names of networks, by which people know where a session is. The
// zero value knows none.
type Places []Network

// Network is one of them.
type Network struct {
	Prefix netip.Prefix
	Name   string
}

const mostPlaceName = 100 // characters

// ParsePlaces reads entries such as "10.1.0.0/16=Moscow office"; an address alone
// is a network of one. The error names the entry.
func ParsePlaces(entries []string) (Places, error) {
	var out Places
	for _, entry := range entries {
		network, name, ok := strings.Cut(entry, "=")
		network, name = strings.TrimSpace(network), strings.TrimSpace(name)
		if !ok || network == "" || name == "" {
			return nil, fmt.Errorf("%q is not of the form network=name, such as 10.1.0.0/16=Moscow office", entry)
		}
		if !utf8.ValidString(name) || utf8.RuneCountInString(name) > mostPlaceName || strings.ContainsFunc(name, unicode.IsControl) {
			return nil, fmt.Errorf("%q: a name has at most %d characters, and none that cannot be shown", entry, mostPlaceName)
		}
		prefix, err := parseNetwork(network)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
		if slices.ContainsFunc(out, func(n Network) bool { return n.Prefix == prefix }) {
			return nil, fmt.Errorf("%q: the network %s has a name already", entry, prefix)
		}
		out = append(out, Network{prefix, name})
	}
	// The longest first, so that the first that fits is the nearest.
	slices.SortStableFunc(out, func(a, b Network) int { return b.Prefix.Bits() - a.Prefix.Bits() })
	return out, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%s is no network such as 10.1.0.0/16 or 2001:db8::/32", text)
	}
	if p.Addr().Is4In6() {
		return p, fmt.Errorf("%s is an IPv4 network in the form of IPv6: write it as IPv4", text)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%s has bits behind its length: did you mean %s?", text, p.Masked())
	}
	return p, nil
}

// Of is the name of the smallest network that an address is in, "" for none.
func (p Places) Of(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	for _, n := range p {
		if n.Prefix.Contains(ip) {
			return n.Name
		}
	}
	return ""
}
