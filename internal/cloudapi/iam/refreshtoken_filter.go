package iam

import (
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// refreshTokenFilter reads the filter of a list of refresh tokens: conditions on
// client_instance_info, client_id and protection_level, each once, joined by AND;
// "=" for all of them and IN (…) for the last; values in double quotes [API fact:
// ListRefreshTokensRequest.filter].
func refreshTokenFilter(text string) (store.RefreshTokenFilter, error) {
	var out store.RefreshTokenFilter
	if strings.TrimSpace(text) == "" {
		return out, nil
	}
	s := filterScanner{rest: text}
	seen := map[string]bool{}
	for {
		field := s.word()
		if seen[field] {
			return out, iam.InvalidField("filter", "the field %s stands there twice", field)
		}
		seen[field] = true
		values, err := s.condition(field)
		if err != nil {
			return out, err
		}
		switch field {
		case "client_id":
			out.ClientID = values[0]
		case "client_instance_info":
			out.ClientInfo = values[0]
		default:
			for _, v := range values {
				level := iam.ProtectionLevel(v)
				if _, ok := protectionLevels[level]; !ok {
					return out, iam.InvalidField("filter", "protection_level is NO_PROTECTION, INSECURE_KEY_DPOP or SECURE_KEY_DPOP")
				}
				out.Protection = append(out.Protection, level)
			}
		}
		if s.done() {
			return out, nil
		}
		if !strings.EqualFold(s.word(), "AND") {
			return out, errFilterForm
		}
	}
}

var errFilterForm = iam.InvalidField("filter", `expected <field>="<value>", or protection_level IN ("<value>", …), joined by AND`)

// mostFilterValues is more than there are protection levels.
const mostFilterValues = 10

type filterScanner struct{ rest string }

func (s *filterScanner) space() { s.rest = strings.TrimLeft(s.rest, " \t\r\n") }

func (s *filterScanner) done() bool {
	s.space()
	return s.rest == ""
}

// word takes letters and underscores; "" when there are none.
func (s *filterScanner) word() string {
	s.space()
	n := 0
	for n < len(s.rest) && (s.rest[n] == '_' || s.rest[n]|0x20 >= 'a' && s.rest[n]|0x20 <= 'z') {
		n++
	}
	w := s.rest[:n]
	s.rest = s.rest[n:]
	return w
}

// sign takes a character, if it comes next.
func (s *filterScanner) sign(c byte) bool {
	s.space()
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *filterScanner) value() (string, error) {
	if !s.sign('"') {
		return "", errFilterForm
	}
	end := strings.IndexAny(s.rest, `"\`)
	if end <= 0 || s.rest[end] != '"' {
		return "", iam.InvalidField("filter", "a value stands in double quotes, is not empty and has no backslash")
	}
	v := s.rest[:end]
	s.rest = s.rest[end+1:]
	return v, nil
}

// condition reads what follows a field: its values, one at least.
func (s *filterScanner) condition(field string) ([]string, error) {
	switch field {
	case "client_id", "client_instance_info", "protection_level":
	case "":
		return nil, errFilterForm
	default:
		return nil, iam.InvalidField("filter", "the fields are client_instance_info, client_id and protection_level")
	}
	if s.sign('=') {
		v, err := s.value()
		return []string{v}, err
	}
	if !strings.EqualFold(s.word(), "IN") {
		return nil, errFilterForm
	}
	if field != "protection_level" {
		return nil, iam.InvalidField("filter", "IN is for protection_level alone")
	}
	if !s.sign('(') {
		return nil, errFilterForm
	}
	var out []string
	for {
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		if out = append(out, v); len(out) > mostFilterValues {
			return nil, iam.InvalidField("filter", "at most %d values", mostFilterValues)
		}
		if s.sign(')') {
			return out, nil
		}
		if !s.sign(',') {
			return nil, errFilterForm
		}
	}
}
