package sessionpolicy

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/iam"
)

// MaxLength is how many characters a policy has at most [API fact:
// CreateEphemeralAccessKeyRequest.policy].
const MaxLength = 2048

// version is the only version of the language that is known here.
const version = "2012-10-17"

// Parse reads a policy. It fails with INVALID_ARGUMENT about the field
// "policy", in a text that names what is wrong, when the text is too long or no
// JSON, when it has a member twice, or anything that is not understood.
func Parse(text string) (*Policy, error) {
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, invalid("has %d characters, at most %d are allowed", n, MaxLength)
	}
	if !utf8.ValidString(text) {
		return nil, invalid("is not UTF-8")
	}
	if !json.Valid([]byte(text)) {
		return nil, invalid("is not JSON")
	}
	// The text is JSON. From here on only its shape can be wrong, and nothing
	// is read but what the shape has: nesting ends where it does.
	r := &reader{json: json.NewDecoder(strings.NewReader(text))}
	p, err := r.policy()
	if err != nil {
		return nil, err
	}
	return p, nil
}

func invalid(format string, args ...any) *iam.Error {
	return iam.InvalidField("policy", format, args...)
}

// reader reads the tokens of a text that is JSON.
type reader struct {
	json *json.Decoder
}

func (r *reader) next() json.Token {
	t, err := r.json.Token()
	if err != nil {
		panic("sessionpolicy: valid JSON does not read: " + err.Error())
	}
	return t
}

// policy reads the whole text.
func (r *reader) policy() (*Policy, error) {
	p := &Policy{}
	err := r.object("the policy", func(name string) (err error) {
		switch name {
		case "Version":
			v, err := r.text("Version")
			if err == nil && v != version {
				err = invalid("Version is %q, %q is expected", short(v), version)
			}
			return err
		case "Id":
			_, err = r.text("Id")
		case "Statement":
			p.statements, err = r.statements()
		default:
			err = notUnderstood(name, "the policy", "Version, Id and Statement")
		}
		return err
	})
	return p, err
}

// statements reads one statement or a list of them.
func (r *reader) statements() ([]statement, error) {
	t := r.next()
	if t == json.Delim('{') {
		s, err := r.statement("Statement")
		return []statement{s}, err
	}
	if t != json.Delim('[') {
		return nil, invalid("Statement is neither an object nor a list of objects")
	}
	var all []statement
	for r.json.More() {
		where := "Statement[" + strconv.Itoa(len(all)) + "]"
		if r.next() != json.Delim('{') {
			return nil, invalid("%s is not an object", where)
		}
		s, err := r.statement(where)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	r.next() // the bracket
	return all, nil
}

// statement reads the members of a statement and sees that none is missing.
func (r *reader) statement(where string) (statement, error) {
	var s statement
	var effect string
	err := r.members(where, func(name string) (err error) {
		at := where + "." + name
		switch name {
		case "Sid":
			_, err = r.text(at)
		case "Effect":
			if effect, err = r.text(at); err == nil && effect != "Allow" && effect != "Deny" {
				err = invalid("%s is %q, Allow or Deny is expected", at, short(effect))
			}
		case "Principal":
			if r.next() != json.Token("*") {
				err = invalid(`%s is not "*": a key's policy is about whoever holds the key`, at)
			}
		case "Action":
			s.actions, err = r.patterns(at, action)
		case "Resource":
			s.resources, err = r.patterns(at, resource)
		default:
			err = notUnderstood(name, where, "Sid, Effect, Principal, Action and Resource")
		}
		return err
	})
	if err != nil {
		return s, err
	}
	switch {
	case effect == "":
		return s, invalid("%s has no Effect", where)
	case s.actions == nil:
		return s, invalid("%s has no Action", where)
	case s.resources == nil:
		return s, invalid("%s has no Resource", where)
	}
	s.deny = effect == "Deny"
	return s, nil
}

// patterns reads one pattern or a list of at least one.
func (r *reader) patterns(at string, check func(at, text string) (string, error)) ([]string, error) {
	t := r.next()
	if text, ok := t.(string); ok {
		p, err := check(at, text)
		return []string{p}, err
	}
	if t != json.Delim('[') {
		return nil, invalid("%s is neither a text nor a list of texts", at)
	}
	var all []string
	for r.json.More() {
		text, err := r.text(at + "[" + strconv.Itoa(len(all)) + "]")
		if err != nil {
			return nil, err
		}
		p, err := check(at, text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	r.next() // the bracket
	if all == nil {
		return nil, invalid("%s is empty", at)
	}
	return all, nil
}

// object reads a value that must be an object.
func (r *reader) object(what string, member func(name string) error) error {
	if r.next() != json.Delim('{') {
		return invalid("%s is not a JSON object", what)
	}
	return r.members(what, member)
}

// members reads an object whose "{" has been read, each name once.
func (r *reader) members(where string, member func(name string) error) error {
	var seen []string
	for r.json.More() {
		name := r.next().(string)
		if slices.Contains(seen, name) {
			return invalid("%s has %q twice", where, short(name))
		}
		seen = append(seen, name)
		if err := member(name); err != nil {
			return err
		}
	}
	r.next() // the brace
	return nil
}

func (r *reader) text(at string) (string, error) {
	s, ok := r.next().(string)
	if !ok {
		return "", invalid("%s is not a text", at)
	}
	return s, nil
}

func notUnderstood(name, where, known string) error {
	return invalid("%q in %s is not understood, and passing over it would grant more than was asked: %s are known", short(name), where, known)
}
