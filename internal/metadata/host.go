package metadata

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hostAllowed tells whether the Host header is one of this address's own names.
// A page that makes its own name lead here (DNS rebinding) is told apart by that
// alone, so what is not known is refused.
func (d *Door) hostAllowed(r *http.Request) bool {
	name, ok := hostOf(withoutPort(r.Host))
	if !ok {
		return false
	}
	if d.hosts[name] {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	here, err := netip.ParseAddrPort(local.String())
	return err == nil && here.Addr().Unmap().WithZone("").String() == name
}

// withoutPort cuts a port off, whatever it is: tunnels change it. "" when the
// text is not host, host:port or [address]:port.
func withoutPort(host string) string {
	if len(host) > longestHost {
		return ""
	}
	if strings.HasPrefix(host, "[") {
		inner, rest, ok := strings.Cut(host[1:], "]")
		if a, err := netip.ParseAddr(inner); !ok || err != nil || !a.Is6() || (rest != "" && !isPort(rest)) {
			return ""
		}
		return inner
	}
	name, port, found := strings.Cut(host, ":")
	if found && !isPort(":"+port) {
		return ""
	}
	return name
}

func isPort(text string) bool {
	if len(text) < 2 || len(text) > 6 || text[0] != ':' {
		return false
	}
	return !strings.ContainsFunc(text[1:], func(r rune) bool { return r < '0' || r > '9' })
}

// hostOf is the one spelling of a name or an address: lower case, without the
// dot at the end, IPv4 as itself. An address with a zone is nobody's: clients
// send none (RFC 6874 section 4).
func hostOf(host string) (string, bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" {
			return "", false
		}
		return a.Unmap().String(), true
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "" || len(name) > longestHost || strings.HasSuffix(name, ".") {
		return "", false
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		}) {
			return "", false
		}
	}
	// What ends in a number is meant as an address in one of its odd spellings.
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "", false
	}
	return name, true
}
