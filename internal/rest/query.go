package rest

import (
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/iam"
)

// More parameters than any request message has fields, with room for lists.
const maxParameters = 1000

// decodeQuery fills a message from a query string. Names are those of JSON or
// of the proto, dotted for nested messages; only lists may repeat. Parameters
// that the method does not know are refused by name, so that a misspelt filter
// never lists everything.
func decodeQuery(m protoreflect.Message, query string, r *route) error {
	if query == "" {
		return nil
	}
	var given []string
	for n := 0; query != ""; n++ {
		if n == maxParameters {
			return refuse(iam.InvalidArgument, "query", "There are more than "+strconv.Itoa(maxParameters)+" query parameters")
		}
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return refuse(iam.InvalidArgument, "query", "The query string is not percent-encoded properly")
		}
		if err := setParameter(m, name, value, r, &given); err != nil {
			return err
		}
	}
	return nil
}

// setParameter sets one field; given holds the single fields set before.
func setParameter(m protoreflect.Message, name, value string, r *route, given *[]string) error {
	if r.body {
		return unknownParameter(name)
	}
	var path strings.Builder
	for rest, more := name, true; ; {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		fd := m.Descriptor().Fields().ByJSONName(part)
		if fd == nil {
			fd = m.Descriptor().Fields().ByName(protoreflect.Name(part))
		}
		if fd == nil || fd.IsMap() {
			return unknownParameter(name)
		}
		path.WriteString(string(fd.Name()))
		if more {
			if fd.Message() == nil || fd.IsList() || asText(fd.Message()) {
				return unknownParameter(name)
			}
			if err := claimOneof(m, fd, path.String()); err != nil {
				return err
			}
			m = m.Mutable(fd).Message()
			path.WriteByte('.')
			continue
		}
		return setLeaf(m, fd, path.String(), value, r, given)
	}
}

func unknownParameter(name string) error {
	return iam.InvalidField(clip(name), "unknown query parameter")
}

func setLeaf(m protoreflect.Message, fd protoreflect.FieldDescriptor, path, value string, r *route, given *[]string) error {
	if r.inPath[path] {
		return iam.InvalidField(path, "is given by the path and may not be a query parameter too")
	}
	if !fd.IsList() {
		for _, g := range *given {
			if g == path {
				return iam.InvalidField(path, "is given twice")
			}
		}
		*given = append(*given, path)
	}
	if err := claimOneof(m, fd, path); err != nil {
		return err
	}
	var v protoreflect.Value
	ok := false
	switch md := fd.Message(); {
	case md == nil:
		v, ok = parseText(fd, value)
	case fd.IsList() && asText(md):
		v = m.Mutable(fd).List().NewElement()
		ok = parseMessageText(v.Message(), value)
	case asText(md):
		v = m.NewField(fd)
		ok = parseMessageText(v.Message(), value)
	default:
		return iam.InvalidField(path, "is a message; name its fields with dots")
	}
	if !ok {
		return iam.InvalidField(path, "%s", wanted(fd))
	}
	if fd.IsList() {
		m.Mutable(fd).List().Append(v)
	} else {
		m.Set(fd, v)
	}
	return nil
}

// claimOneof refuses a second member of a oneof.
func claimOneof(m protoreflect.Message, fd protoreflect.FieldDescriptor, path string) error {
	od := fd.ContainingOneof()
	if od == nil || od.IsSynthetic() {
		return nil
	}
	if set := m.WhichOneof(od); set != nil && set != fd {
		return iam.InvalidField(path, "may not be given together with %s", set.Name())
	}
	return nil
}
