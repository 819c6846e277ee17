package passkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	typeCreate = "webauthn.create"
	typeGet    = "webauthn.get"

	maxClientData = 4096 // bytes
)

// clientData is what a browser says of the page (section 5.8.1).
type clientData struct {
	kind, challenge, origin string
	framed                  bool // the page sits in a frame of another site
}

func (s Site) readClientData(text []byte, kind, challenge string) error {
	c, err := parseClientData(text)
	switch {
	case err != nil:
		return err
	case c.kind != kind:
		return fmt.Errorf("the answer is of the kind %q", c.kind)
	case challenge == "" || c.challenge != challenge:
		return errors.New("the answer is to another challenge")
	case !s.has(c.origin):
		return fmt.Errorf("the answer was made on a page of %q", c.origin)
	case c.framed:
		return errors.New("the page was framed by another site")
	}
	return nil
}

// ChallengeIn is the challenge that an answer says it is to. Who trusts it has
// it checked: Challenges.Check, and then Register or Verify.
func ChallengeIn(text []byte) (string, error) {
	c, err := parseClientData(text)
	return c.challenge, err
}

// parseClientData takes one reading alone: no member twice, names as they are
// spelled, nothing behind the end.
func parseClientData(text []byte) (c clientData, err error) {
	if err := bounded("client data", text, maxClientData); err != nil {
		return c, err
	}
	members, err := membersOf(text)
	if err != nil {
		return c, err
	}
	for name, into := range map[string]*string{"type": &c.kind, "challenge": &c.challenge, "origin": &c.origin} {
		if json.Unmarshal(members[name], into) != nil {
			return clientData{}, fmt.Errorf("client data has no text %q", name)
		}
	}
	if raw, said := members["crossOrigin"]; said && json.Unmarshal(raw, &c.framed) != nil {
		return clientData{}, errors.New(`client data has a "crossOrigin" that is neither true nor false`)
	}
	_, above := members["topOrigin"]
	c.framed = c.framed || above
	return c, nil
}

func membersOf(text []byte) (map[string]json.RawMessage, error) {
	broken := errors.New("client data is no JSON object")
	d := json.NewDecoder(bytes.NewReader(text))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil, broken
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, broken
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, broken
		}
		if _, twice := out[name.(string)]; twice {
			return nil, fmt.Errorf("client data has %q twice", name)
		}
		out[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, broken
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, broken
	}
	return out, nil
}
