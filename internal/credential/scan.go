package credential

import (
	"encoding/json"
	"unicode/utf8"
)

// maxDepth bounds how deep the JSON of a JWT may nest. The claims that matter
// need two levels.
const maxDepth = 16

// flaw is what is wrong with a JSON text.
type flaw uint8

const (
	sound flaw = iota
	flawSyntax
	flawUTF8
	flawDuplicate
	flawDepth
)

// scanner reads JSON (RFC 8259) strictly and in place. It is written by hand
// because it runs before any signature is checked: it allocates nothing for
// ordinary input, refuses repeated names, and never nests deeper than maxDepth.
type scanner struct {
	b    []byte
	i    int
	flaw flaw
}

func newScanner(b []byte) scanner {
	s := scanner{b: b}
	if !utf8.Valid(b) {
		s.flaw = flawUTF8
	}
	return s
}

// fail keeps the first flaw and reports false.
func (s *scanner) fail(f flaw) bool {
	if s.flaw == sound {
		s.flaw = f
	}
	return false
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek is the next byte that is not white space; 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return s.fail(flawSyntax)
	}
	s.i++
	return true
}

// names remembers the member names of one object, so that none comes twice.
type names struct {
	few  [12][]byte
	n    int
	many map[string]struct{}
}

func (m *names) add(name []byte) bool {
	if m.many != nil {
		if _, twice := m.many[string(name)]; twice {
			return false
		}
		m.many[string(name)] = struct{}{}
		return true
	}
	for _, have := range m.few[:m.n] {
		if string(have) == string(name) {
			return false
		}
	}
	if m.n < len(m.few) {
		m.few[m.n] = name
		m.n++
		return true
	}
	m.many = make(map[string]struct{}, 64)
	for _, have := range m.few {
		m.many[string(have)] = struct{}{}
	}
	return m.add(name)
}

// member steps to the next member of an object whose "{" has been taken, and
// returns its name with the scanner in front of the value. It returns false
// behind the "}" or on a flaw.
func (s *scanner) member(seen *names) ([]byte, bool) {
	if s.flaw != sound {
		return nil, false
	}
	first := seen.n == 0
	switch c := s.peek(); {
	case c == '}':
		s.i++
		return nil, false
	case first:
	case c == ',':
		s.i++
	default:
		return nil, s.fail(flawSyntax)
	}
	name, ok := s.text()
	if !ok || !s.take(':') {
		return nil, false
	}
	if !seen.add(name) {
		return nil, s.fail(flawDuplicate)
	}
	return name, true
}

// element steps to the next element of an array whose "[" has been taken.
func (s *scanner) element(first bool) bool {
	if s.flaw != sound {
		return false
	}
	c := s.peek()
	if c == ']' {
		s.i++
		return false
	}
	if first {
		return true
	}
	if c != ',' {
		return s.fail(flawSyntax)
	}
	s.i++
	if s.peek() == ']' {
		return s.fail(flawSyntax)
	}
	return true
}

// text takes a string and returns what it says.
func (s *scanner) text() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	start, escaped := s.i, false
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			raw := s.b[start:s.i]
			s.i++
			if escaped {
				return s.unescape(raw)
			}
			return raw, true
		case c == '\\':
			escaped = true
			s.i += 2
		case c < ' ':
			return nil, s.fail(flawSyntax)
		default:
			s.i++
		}
	}
	return nil, s.fail(flawSyntax)
}

// unescape is left to the standard library: no client escapes what matters here.
func (s *scanner) unescape(raw []byte) ([]byte, bool) {
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	var out string
	if json.Unmarshal(quoted, &out) != nil {
		return nil, s.fail(flawSyntax)
	}
	return []byte(out), true
}

// number takes a number and returns its spelling.
func (s *scanner) number() ([]byte, bool) {
	s.space()
	start := s.i
	if s.at('-') {
		s.i++
	}
	if s.at('0') {
		s.i++
	} else if s.digits() == 0 {
		return nil, s.fail(flawSyntax)
	}
	if s.at('.') {
		s.i++
		if s.digits() == 0 {
			return nil, s.fail(flawSyntax)
		}
	}
	if s.at('e') || s.at('E') {
		s.i++
		if s.at('+') || s.at('-') {
			s.i++
		}
		if s.digits() == 0 {
			return nil, s.fail(flawSyntax)
		}
	}
	return s.b[start:s.i], true
}

func (s *scanner) at(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

func (s *scanner) digits() int {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i - start
}

// skip takes any value, itself at the given depth: 1 is the value of a
// top-level member.
func (s *scanner) skip(depth int) {
	switch c := s.peek(); c {
	case '{':
		s.skipObject(depth)
	case '[':
		if depth >= maxDepth {
			s.fail(flawDepth)
			return
		}
		s.i++
		for first := true; s.element(first); first = false {
			s.skip(depth + 1)
		}
	case '"':
		s.text()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.number()
	}
}

func (s *scanner) skipObject(depth int) {
	if depth >= maxDepth {
		s.fail(flawDepth)
		return
	}
	s.i++
	var seen names
	for {
		if _, ok := s.member(&seen); !ok {
			return
		}
		s.skip(depth + 1)
	}
}

func (s *scanner) word(w string) {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		s.fail(flawSyntax)
		return
	}
	s.i += len(w)
}

// end makes sure that nothing but white space is left.
func (s *scanner) end() flaw {
	if s.space(); s.i < len(s.b) {
		s.fail(flawSyntax)
	}
	return s.flaw
}
