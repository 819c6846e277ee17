package token

import (
	"fmt"
	"strings"
)

// ParseUnverified reads a token without checking its signature, its times or
// whether it was revoked: good for a log line, never for a decision. A token
// has one spelling; any other gives ErrMalformed.
func ParseUnverified(s string) (*Claims, error) {
	var p parsed
	if err := p.parse(s); err != nil {
		return nil, err
	}
	c := p.claims
	return &c, nil
}

// parsed is a token taken apart.
type parsed struct {
	claims    Claims
	ignorable string // fields of a later version, as they were spelled
	signed    int    // how many bytes of the text the signature covers
	signature [signatureSize]byte
}

// malformed is an ErrMalformed with the reason; it never quotes the token.
func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrMalformed, reason) }

func (p *parsed) parse(s string) error {
	if len(s) < minText || len(s) > MaxLength {
		return malformed("its length is wrong")
	}
	dot := len(s) - signatureText - 1
	if !strings.HasPrefix(s, prefix) || s[dot] != '.' {
		return malformed("it is not t1, payload and signature")
	}
	payloadText, signatureText := s[len(prefix):dot], s[dot+1:]
	if !inAlphabet(payloadText) || !inAlphabet(signatureText) {
		return malformed("it is not base64url")
	}
	var text [MaxLength]byte
	n := copy(text[:], signatureText)
	if m, err := encoding.Decode(p.signature[:], text[:n]); err != nil || m != signatureSize {
		return malformed("its signature is not base64url")
	}
	var space [maxPayload + 3]byte
	n = copy(text[:], payloadText)
	n, err := encoding.Decode(space[:], text[:n])
	if err != nil {
		return malformed("its payload is not base64url")
	}
	p.signed = dot
	if reason := p.readPayload(string(space[:n])); reason != "" {
		return malformed(reason)
	}
	return nil
}

// inAlphabet tells whether s is base64url and nothing else.
func inAlphabet(s string) bool {
	for i := range len(s) {
		if !alphabet[s[i]] {
			return false
		}
	}
	return true
}

var alphabet = func() (in [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		in[c] = true
	}
	return in
}()

// readPayload fills the claims and returns what is wrong, or "". All texts of
// the claims are parts of payload.
func (p *parsed) readPayload(payload string) string {
	if payload[0] != version {
		return "its version is unknown"
	}
	padded := false
	last := byte(0)
	var seen [fieldDependsOn + 1]bool
	for at := 1; at < len(payload); {
		field := payload[at]
		size, n := readVarint(payload[at+1:])
		if n == 0 || size > uint64(len(payload)-at-1-n) {
			return "a field's length is wrong"
		}
		if field <= last {
			return "its fields are not ascending"
		}
		next := at + 1 + n + int(size)
		value := payload[at+1+n : next]
		switch {
		case field <= fieldDependsOn:
			seen[field] = true
			if reason := p.readField(field, value); reason != "" {
				return reason
			}
		case field < firstIgnorable:
			return "it has a field that this version must not ignore"
		case field < fieldPadding:
			p.ignorable = payload[at-len(p.ignorable) : next]
		default:
			if at >= minPayload || len(value) != paddingAfter(at) || strings.Trim(value, "\x00") != "" {
				return "its padding is wrong"
			}
			padded = true
		}
		last, at = field, next
	}
	if !padded && len(payload) < minPayload {
		return "its padding is missing"
	}
	return p.finish(seen[fieldID : fieldSubjectID+1])
}

func (p *parsed) readField(field byte, value string) string {
	c := &p.claims
	switch field {
	case fieldID:
		return readID(&c.ID, value, MaxID)
	case fieldKeyID:
		return readID(&c.KeyID, value, MaxID)
	case fieldInstallation:
		return readID(&c.Installation, value, MaxID)
	case fieldSubjectType:
		return readID(&c.SubjectType, value, MaxID)
	case fieldSubjectID:
		return readID(&c.SubjectID, value, maxSubjectID(c.SubjectType))
	case fieldOrganization:
		return readID(&c.OrganizationID, value, MaxID)
	case fieldFolder:
		return readID(&c.FolderID, value, MaxID)
	case fieldDependsOn:
		return p.readDependencies(value)
	}
	number, n := readVarint(value)
	if n == 0 || n != len(value) {
		return "a number is not minimal"
	}
	switch field {
	case fieldPosition:
		c.Position = number
	case fieldIssuedAt:
		if number > maxMilli {
			return "a time is out of range"
		}
		c.IssuedAt = fromMilli(number)
	case fieldExpiresAt:
		if number > maxMilli {
			return "a time is out of range"
		}
		c.ExpiresAt = fromMilli(number)
	}
	return ""
}

func readID(to *string, value string, limit int) string {
	if !validID(value, limit) {
		return "an id is wrong"
	}
	*to = value
	return ""
}

// readDependencies reads the pairs besides the token itself, which is always
// one and therefore never spelled.
func (p *parsed) readDependencies(value string) string {
	if value == "" {
		return "an empty field is present"
	}
	list := make([]Dependency, 1, 1+countDependencies(value))
	list[0] = Dependency{KindToken, p.claims.ID}
	for value != "" {
		if len(list) == MaxDependencies {
			return "it has too many dependencies"
		}
		if len(value) < 2 || int(value[1]) > len(value)-2 {
			return "a dependency is cut short"
		}
		d := Dependency{Kind(value[0]), value[2 : 2+int(value[1])]}
		if d.Kind == 0 || p.claims.implies(d) || d == list[0] || !validID(d.ID, maxDependencyID(d.Kind)) {
			return "a dependency is wrong"
		}
		if len(list) > 1 && compareDependencies(list[len(list)-1], d) >= 0 {
			return "its dependencies are not ascending"
		}
		list = append(list, d)
		value = value[2+len(d.ID):]
	}
	p.claims.DependsOn = list
	return ""
}

// countDependencies tells how many pairs there may be, so that no more room is
// taken than they need.
func countDependencies(value string) (n int) {
	for at := 0; at+1 < len(value) && n < MaxDependencies; n++ {
		at += 2 + int(value[at+1])
	}
	return n
}

// finish checks what spans fields. required are the presences of the fields
// that every token has.
func (p *parsed) finish(required []bool) string {
	for _, present := range required {
		if !present {
			return "a field is missing"
		}
	}
	c := &p.claims
	if c.FolderID != "" && c.SubjectType != SubjectServiceAccount {
		return "only a service account has a folder"
	}
	if c.DependsOn == nil {
		c.DependsOn = []Dependency{{KindToken, c.ID}}
	}
	return checkTimes(c.IssuedAt.UnixMilli(), c.ExpiresAt.UnixMilli())
}

// readVarint reads a minimal unsigned LEB128 number and says how many bytes it
// took: 0 when it is cut short, too large or not minimal.
func readVarint(s string) (number uint64, n int) {
	for i := range min(len(s), 10) {
		b := s[i]
		if i == 9 && b > 1 {
			return 0, 0
		}
		number |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if b == 0 && i > 0 {
				return 0, 0
			}
			return number, i + 1
		}
	}
	return 0, 0
}
