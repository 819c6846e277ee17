package temporary

import (
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// parsed is a payload taken apart.
type parsed struct {
	session   Session
	life      uint64
	ignorable string // fields of a later version, as they were spelled
}

// required are the fields that every token has, of which the two kinds of key
// are looked at on their own.
var required = [...]byte{fieldKeyID, fieldID, fieldIssuedAt, fieldLife, fieldPosition, fieldSubjectType, fieldSubjectID}

// read fills the session and returns what is wrong, or "". All texts of the
// session but ids are parts of payload.
func (p *parsed) read(payload string) string {
	if payload[0] != version {
		return "its version is unknown"
	}
	padded := false
	last := byte(0)
	var seen [fieldPolicy + 1]bool
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
		case field <= fieldPolicy:
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
	for _, field := range required {
		if !seen[field] {
			return "a field is missing"
		}
	}
	if seen[fieldStaticKey] == seen[fieldEphemeralKey] {
		return "it names no access key, or two"
	}
	return p.finish()
}

func (p *parsed) readField(field byte, value string) string {
	s := &p.session
	switch field {
	case fieldKeyID:
		return readID(&s.KeyID, value, maxID)
	case fieldID:
		return readID(&s.ID, value, maxID)
	case fieldStaticKey:
		return readID(&s.AccessKeyID, value, maxID)
	case fieldEphemeralKey:
		s.Ephemeral = true
		return readID(&s.AccessKeyID, value, maxID)
	case fieldSubjectType:
		if len(value) != 1 || value[0] == 0 || int(value[0]) > len(subjectTypes) {
			return "its subject is of no known type"
		}
		s.Subject.Type = subjectTypes[value[0]-1]
		return ""
	case fieldSubjectID:
		var id string
		reason := readID(&id, value, maxUserID)
		s.Subject.ID = iam.SubjectID(id)
		return reason
	case fieldOrganization:
		return readID(&s.OrganizationID, value, maxID)
	case fieldCloud:
		return readID(&s.CloudID, value, maxID)
	case fieldFolder:
		return readID(&s.FolderID, value, maxID)
	case fieldDependsOn:
		return p.readDependencies(value)
	case fieldName, fieldPolicy:
		if value == "" {
			return "an empty field is present"
		}
		if field == fieldName {
			s.Name = value
		} else {
			s.Policy = value
		}
		return ""
	}
	return p.readNumber(field, value)
}

func (p *parsed) readNumber(field byte, value string) string {
	number, n := readVarint(value)
	if n == 0 || n != len(value) {
		return "a number is not minimal"
	}
	switch field {
	case fieldPosition:
		p.session.Position = iam.Position(number)
	case fieldIssuedAt:
		if number > maxMilli {
			return "a time is out of range"
		}
		p.session.IssuedAt = fromMilli(number)
	case fieldLife:
		if number > uint64(MaxLife.Milliseconds()) {
			return "its life is wrong"
		}
		p.life = number
	}
	return ""
}

// readDependencies reads the pairs besides the session itself, which is always
// one and therefore never spelled.
func (p *parsed) readDependencies(value string) string {
	if value == "" {
		return "an empty field is present"
	}
	s := &p.session
	list := make([]token.Dependency, 1, MaxDependencies)
	list[0] = token.Dependency{Kind: token.KindSession, ID: s.ID}
	for value != "" {
		if len(list) == MaxDependencies {
			return "it has too many dependencies"
		}
		if len(value) < 2 || int(value[1]) > len(value)-2 {
			return "a dependency is cut short"
		}
		d := token.Dependency{Kind: token.Kind(value[0])}
		own := s.own(d.Kind)
		spelled := value[2 : 2+int(value[1])]
		if spelled == "" {
			d.ID = own
		} else if reason := readID(&d.ID, spelled, maxUserID); reason != "" || d.ID == own {
			return "a dependency is wrong"
		}
		if !legalDependency(d) || d == list[0] {
			return "a dependency is wrong"
		}
		if len(list) > 1 && compareDependencies(list[len(list)-1], d) >= 0 {
			return "its dependencies are not ascending"
		}
		list = append(list, d)
		value = value[2+len(spelled):]
	}
	s.DependsOn = list
	return ""
}

// finish checks what spans fields.
func (p *parsed) finish() string {
	s := &p.session
	s.ExpiresAt = fromMilli(uint64(s.IssuedAt.UnixMilli()) + p.life)
	if s.DependsOn == nil {
		s.DependsOn = []token.Dependency{{Kind: token.KindSession, ID: s.ID}}
	}
	return s.flaw()
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
