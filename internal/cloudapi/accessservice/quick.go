package accessservice

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	v2 "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// quickElements is the longest path that is read quickly.
const quickElements = 8

// span is where a text stands.
type span struct{ from, to int }

// Decode implements gate.QuickDecoder: it reads the usual AuthorizeRequest,
// with an IAM token, each field once, and the usual signature. What looks any
// different, or is no message, is left to the framework.
func (AccessService) Decode(wire []byte, m proto.Message) bool {
	if r, ok := m.(*v2.AuthenticateRequest); ok {
		return decodeSigned(wire, r)
	}
	r, ok := m.(*v2.AuthorizeRequest)
	if !ok {
		return false
	}
	var token, permission span
	var path [quickElements]struct{ id, kind span }
	first, last, n := 0, len(wire), 0 // what surrounds the token, which some write first and some last
	for at := 0; at < len(wire); {
		number, value, after, ok := textField(wire[at:])
		end := len(wire) - len(after)
		here := span{end - len(value), end}
		switch {
		case !ok:
			return false
		case number == 2 && token == (span{}):
			if token = here; at == 0 {
				first = end
			} else if end == len(wire) {
				last = at
			}
		case number == 4 && permission == (span{}):
			permission = here
		case number == 5 && n < len(path):
			e := &path[n]
			if e.id, e.kind, ok = element(wire, here); !ok {
				return false
			}
			n++
		default:
			return false
		}
		at = end
	}
	if token == (span{}) || !utf8.Valid(wire[token.from:token.to]) {
		return false
	}
	text := words{string(wire[first:last]), first, true}
	all, list := make([]v2.Resource, n), make([]*v2.Resource, n)
	for i := range all {
		all[i].Id, all[i].Type, list[i] = text.at(path[i].id), text.at(path[i].kind), &all[i]
	}
	what := text.at(permission)
	if !text.valid {
		return false
	}
	r.Identity = &v2.AuthorizeRequest_IamToken{IamToken: string(wire[token.from:token.to])}
	r.Permission, r.ResourcePath = what, list
	return true
}

// words is a part of a message, of which all texts are parts.
type words struct {
	text  string
	first int // where it stands in the message
	valid bool
}

func (w *words) at(s span) string {
	if s == (span{}) {
		return ""
	}
	part := w.text[s.from-w.first : s.to-w.first]
	w.valid = w.valid && utf8.ValidString(part)
	return part
}

// element reads a Resource.
func element(wire []byte, in span) (id, kind span, ok bool) {
	for from, to := in.from, in.to; from < to; {
		number, value, after, ok := textField(wire[from:to])
		from = to - len(after)
		at := span{from - len(value), from}
		switch {
		case ok && number == 1 && id == (span{}):
			id = at
		case ok && number == 2 && kind == (span{}):
			kind = at
		default:
			return id, kind, false
		}
	}
	return id, kind, true
}

// textField reads a field that is a text or a message.
func textField(wire []byte) (number protowire.Number, value, after []byte, ok bool) {
	number, kind, n := protowire.ConsumeTag(wire)
	if n < 0 || kind != protowire.BytesType {
		return 0, nil, wire, false
	}
	value, size := protowire.ConsumeBytes(wire[n:])
	if size < 0 {
		return 0, nil, wire, false
	}
	return number, value, wire[n+size:], true
}
