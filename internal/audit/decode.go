package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Decode reads a line that AppendJSON wrote, and nothing else: a line has one
// spelling, so what does not give the same bytes again is an error.
func Decode(line []byte) (*Event, error) {
	if len(line) > MaxEventSize {
		return nil, fmt.Errorf("audit line: longer than %d bytes", MaxEventSize)
	}
	var e Event
	if err := e.UnmarshalJSON(line); err != nil {
		return nil, fmt.Errorf("audit line: %w", err)
	}
	if again := e.AppendJSON(make([]byte, 0, len(line))); !bytes.Equal(again, line) {
		return nil, fmt.Errorf("audit line: not as this server writes it")
	}
	return &e, nil
}

// UnmarshalJSON reads an event in any spelling; unknown fields are errors.
func (e *Event) UnmarshalJSON(b []byte) error {
	type fields Event // without the methods of Event
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var f fields
	if err := dec.Decode(&f); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("more than one value")
	}
	*e = Event(f)
	return nil
}
