package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Details are what an event of its type tells beyond the envelope, in order.
// Numbers, booleans and times are texts [API fact: proto JSON in details].
type Details []Detail

// Detail is one named value: an object when Fields are given, a list when Items
// are, else a text. Empty values are left out, except as items of a list. Names
// of items mean nothing. Deeper than maxDepth nothing is written.
type Detail struct {
	Name   string
	Text   string
	Fields []Detail
	Items  []Detail
}

// Text is a detail that is a text. What looks like a credential is hidden: many
// texts repeat what a caller sent, and callers put secrets where ids belong.
func Text(name, text string) Detail { return Detail{Name: name, Text: iam.Conceal(text)} }

// Time is a detail that is a time; the zero time is left out.
func Time(name string, t time.Time) Detail {
	if t.IsZero() {
		return Detail{Name: name}
	}
	return Detail{Name: name, Text: string(appendTime(nil, t))}
}

// Object is a detail made of details.
func Object(name string, fields ...Detail) Detail { return Detail{Name: name, Fields: fields} }

// Texts is a detail that is a list of texts.
func Texts(name string, texts ...string) Detail {
	d := Detail{Name: name}
	for _, t := range texts {
		d.Items = append(d.Items, Detail{Text: iam.Conceal(t)})
	}
	return d
}

// Get is the text of the first detail of a name, "" when there is none.
func (d Details) Get(name string) string {
	for i := range d {
		if d[i].Name == name {
			return d[i].Text
		}
	}
	return ""
}

// UnmarshalJSON reads what an event's line holds under "details".
func (d *Details) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	v, err := readDetail(dec, 0)
	if err != nil {
		return err
	}
	if v.Fields == nil {
		return fmt.Errorf("details: not an object")
	}
	*d = v.Fields
	return nil
}

func readDetail(dec *json.Decoder, depth int) (Detail, error) {
	t, err := dec.Token()
	if err != nil {
		return Detail{}, err
	}
	switch t := t.(type) {
	case string:
		return Detail{Text: t}, nil
	case json.Delim:
		if depth > maxDepth {
			return Detail{}, fmt.Errorf("details: deeper than %d", maxDepth)
		}
		if t == '{' {
			return readObject(dec, depth)
		}
		return readList(dec, depth)
	}
	return Detail{}, fmt.Errorf("details: %v is not a text", t)
}

func readObject(dec *json.Decoder, depth int) (Detail, error) {
	d := Detail{Fields: []Detail{}}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return d, err
		}
		v, err := readDetail(dec, depth+1)
		if err != nil {
			return d, err
		}
		v.Name, _ = name.(string)
		d.Fields = append(d.Fields, v)
	}
	_, err := dec.Token()
	return d, err
}

func readList(dec *json.Decoder, depth int) (Detail, error) {
	d := Detail{Items: []Detail{}}
	for dec.More() {
		v, err := readDetail(dec, depth+1)
		if err != nil {
			return d, err
		}
		d.Items = append(d.Items, v)
	}
	_, err := dec.Token()
	return d, err
}
