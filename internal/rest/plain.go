package rest

import (
	"bytes"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Most messages of the hottest methods are flat: a few texts of printable ASCII
// and a time. Reading and writing those by hand takes a third of what protojson
// takes. Everything else, and everything wrong, is left to protojson, so that
// there is one meaning and one wording; the tests hold the two side by side.

const maxPlainFields = 8

// decodePlain fills a message from a flat object of plain texts. False means
// that it is something else; the message may then hold part of it.
func decodePlain(body []byte, m proto.Message) bool {
	pm := m.ProtoReflect()
	if md := pm.Descriptor(); md.FullName().Parent() == "google.protobuf" {
		return false // these have a JSON of their own
	}
	proto.Reset(m)
	b := plainReader{b: body}
	if !b.take('{') {
		return false
	}
	if b.take('}') {
		return b.end()
	}
	var seen [maxPlainFields]protoreflect.FieldDescriptor
	for n := range maxPlainFields {
		name, ok := b.text()
		if !ok || !b.take(':') {
			return false
		}
		value, ok := b.text()
		fd := plainField(pm.Descriptor(), name)
		if !ok || fd == nil || clashes(seen[:n], fd) {
			return false
		}
		seen[n] = fd
		pm.Set(fd, protoreflect.ValueOfString(string(value)))
		if b.take('}') {
			return b.end()
		}
		if !b.take(',') {
			return false
		}
	}
	return false
}

// plainField is the single text field of that name, in JSON's spelling or the
// descriptor's.
func plainField(md protoreflect.MessageDescriptor, name []byte) protoreflect.FieldDescriptor {
	fd := md.Fields().ByJSONName(string(name))
	if fd == nil {
		fd = md.Fields().ByTextName(string(name))
	}
	if fd == nil || fd.Kind() != protoreflect.StringKind || fd.Cardinality() == protoreflect.Repeated {
		return nil
	}
	return fd
}

// clashes tells whether a field, or another of its oneof, was there before.
func clashes(seen []protoreflect.FieldDescriptor, fd protoreflect.FieldDescriptor) bool {
	for _, s := range seen {
		if s == fd || (fd.ContainingOneof() != nil && s.ContainingOneof() == fd.ContainingOneof()) {
			return true
		}
	}
	return false
}

// plainReader walks over JSON.
type plainReader struct {
	b []byte
	i int
}

func (r *plainReader) space() {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\n' || r.b[r.i] == '\r' || r.b[r.i] == '\t') {
		r.i++
	}
}

// take steps over one byte, and the spaces before it, if it is there.
func (r *plainReader) take(c byte) bool {
	r.space()
	if r.i < len(r.b) && r.b[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *plainReader) end() bool {
	r.space()
	return r.i == len(r.b)
}

// text reads a string that means what it shows.
func (r *plainReader) text() ([]byte, bool) {
	if !r.take('"') {
		return nil, false
	}
	for i := r.i; i < len(r.b); i++ {
		if r.b[i] == '"' {
			text := r.b[r.i:i]
			r.i = i + 1
			return text, true
		}
		if !plainByte[r.b[i]] {
			return nil, false
		}
	}
	return nil, false
}

// plainByte is printable ASCII that JSON writes as it is.
var plainByte = func() (t [256]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendPlain adds the JSON of a message whose filled fields are plain texts
// and times. False means that there is something else in it.
func appendPlain(buf []byte, m proto.Message) ([]byte, bool) {
	pm := m.ProtoReflect()
	md := pm.Descriptor()
	if md.FullName().Parent() == "google.protobuf" {
		return buf, false
	}
	start := len(buf)
	buf = append(buf, '{')
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if !pm.Has(fd) {
			continue
		}
		if fd.Cardinality() == protoreflect.Repeated {
			return buf[:start], false
		}
		if len(buf) > start+1 {
			buf = append(buf, ',')
		}
		buf = append(buf, '"')
		buf = append(buf, fd.JSONName()...)
		buf = append(buf, '"', ':')
		var ok bool
		if buf, ok = appendPlainValue(buf, fd, pm.Get(fd)); !ok {
			return buf[:start], false
		}
	}
	return append(buf, '}'), true
}

func appendPlainValue(buf []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value) ([]byte, bool) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		s := v.String()
		for i := range len(s) {
			if !plainByte[s[i]] {
				return buf, false
			}
		}
		buf = append(buf, '"')
		buf = append(buf, s...)
		return append(buf, '"'), true
	case protoreflect.MessageKind:
		t, ok := v.Message().Interface().(*timestamppb.Timestamp)
		if !ok || t.CheckValid() != nil {
			return buf, false
		}
		return appendTimestamp(buf, t), true
	}
	return buf, false
}

// appendTimestamp adds a time as proto3 JSON spells it: in UTC, with no, three,
// six or nine digits of a second.
func appendTimestamp(buf []byte, t *timestamppb.Timestamp) []byte {
	buf = t.AsTime().AppendFormat(buf, `"2006-01-02T15:04:05.000000000`)
	buf = bytes.TrimSuffix(buf, []byte("000"))
	buf = bytes.TrimSuffix(buf, []byte("000"))
	buf = bytes.TrimSuffix(buf, []byte(".000"))
	return append(buf, 'Z', '"')
}
