// Package mail owns what this server writes to people: letters in their
// language, how they look on the wire, the SMTP server that takes them, and the
// queue in which they wait. What it promises: a letter is queued in the
// transaction that causes it, and so is sent if and only if that has committed;
// it lies there sealed, because it may hold a link that opens an account; of many
// nodes one sends it, another one only when that has failed; nothing that anybody
// has typed becomes a header; and neither log nor metric tells what stands in a
// letter or to whom it goes.
//
// It makes no link and asks nobody for one: rooms above do.
package mail

import (
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// mostAddress is how long an address may be, in characters: what an account may
// have (API fact: GetByLogin takes 100).
const mostAddress = 100

// CheckAddress tells why a text is no mailbox that this server writes to, as
// INVALID_ARGUMENT about a field of the caller's: a dot-atom of ASCII, an @ and a
// domain name (RFC 5321 section 4.1.2). Quoted local parts, addresses of hosts in
// brackets, letters beyond ASCII (RFC 6531) and the signs by which servers of old
// are told a way on or a file (%, !, / and |) are refused: few have them, and many
// servers take them for something else.
func CheckAddress(field, address string) error {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || len(address) > mostAddress || len(local) > 64 || !dotted(local, isAtext) || !dotted(domain, isHostByte) || !hasTop(domain) {
		e := iam.InvalidField(field, "is not an e-mail address of at most %d characters that mail can be sent to", mostAddress)
		e.Reason = "email_wrong"
		return e
	}
	return nil
}

// Canonical is an address that was typed as accounts keep it.
func Canonical(address string) string { return iam.CanonicalEmail(strings.TrimSpace(address)) }

func dotted(s string, legal func(byte) bool) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || len(part) > 63 && len(s) > 64 {
			return false
		}
		for i := range len(part) {
			if !legal(part[i]) {
				return false
			}
		}
	}
	return true
}

func isAtext(c byte) bool {
	return isLetterOrDigit(c) || strings.IndexByte("#$&'*+-=?^_`{}~", c) >= 0
}

func isHostByte(c byte) bool { return isLetterOrDigit(c) || c == '-' }

func isLetterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// hasTop tells that no label of a domain begins or ends with a hyphen, and that
// it is no bare IPv4 address.
func hasTop(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, l := range labels {
		if l[0] == '-' || l[len(l)-1] == '-' || len(l) > 63 {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
