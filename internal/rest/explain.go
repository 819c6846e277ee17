package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/propusk/propusk/internal/iam"
)

// How many values explain tries by themselves before it gives up to find the
// one at fault; keeps a megabyte of odd numbers cheap.
const maxTrials = 1000

// explain finds what is wrong with a body that the JSON decoder refused. The
// decoder's own texts are unstable, repeat values, which may be secrets, and
// do not say where in a nested message the field is. It walks the body beside
// the descriptor and stops at the first fault, as the decoder did.
func explain(body []byte, md protoreflect.MessageDescriptor) error {
	if first := bytes.TrimLeft(body, " \t\r\n"); first[0] != '{' {
		return refuse(iam.InvalidArgument, "json", "The body must be one JSON object")
	}
	if depth(body) > maxDepth {
		return refuse(iam.InvalidArgument, "json", "The body is nested deeper than "+strconv.Itoa(maxDepth)+" levels")
	}
	e := explainer{dec: json.NewDecoder(bytes.NewReader(body))}
	e.dec.UseNumber()
	_, err := e.message(md, "")
	if err == nil {
		if _, err = e.dec.Token(); err == nil || err != io.EOF {
			return refuse(iam.InvalidArgument, "json", "The body has something behind its JSON object")
		}
		return refuse(iam.InvalidArgument, "json", "The body is not JSON of a "+string(md.Name()))
	}
	var known *iam.Error
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &known):
		known.Reason = "json"
		return known
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(iam.InvalidArgument, "json", "The body is not JSON: it ends too early")
	case errors.As(err, &syntax):
		return refuse(iam.InvalidArgument, "json", fmt.Sprintf("The body is not JSON: %s (byte %d)", syntax, syntax.Offset))
	}
	return refuse(iam.InvalidArgument, "json", "The body is not JSON of a "+string(md.Name()))
}

// explainer walks a body once. Its errors are iam.Errors for faults it can
// name, and the tokenizer's own for broken syntax.
type explainer struct {
	dec    *json.Decoder
	trials int
}

// message walks an object and tells whether there was null instead.
func (e *explainer) message(md protoreflect.MessageDescriptor, at string) (null bool, err error) {
	if null, err := e.open('{', at, "must be an object"); null || err != nil {
		return null, err
	}
	fields := map[protoreflect.FieldNumber]bool{}
	oneofs := map[int]string{}
	for e.dec.More() {
		name, err := e.key()
		if err != nil {
			return false, err
		}
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			fd = md.Fields().ByTextName(name)
		}
		if fd == nil {
			return false, iam.InvalidField(join(at, clip(name)), "unknown field")
		}
		here := join(at, string(fd.Name()))
		if fields[fd.Number()] {
			return false, iam.InvalidField(here, "is given twice")
		}
		fields[fd.Number()] = true
		null, err := e.field(fd, here)
		if err != nil {
			return false, err
		}
		if od := fd.ContainingOneof(); od != nil && !null {
			if other, set := oneofs[od.Index()]; set {
				return false, iam.InvalidField(here, "may not be given together with %s", other)
			}
			oneofs[od.Index()] = string(fd.Name())
		}
	}
	_, err = e.dec.Token()
	return false, err
}

// field walks one value and tells whether it was null.
func (e *explainer) field(fd protoreflect.FieldDescriptor, at string) (null bool, err error) {
	switch {
	case fd.IsMap():
		return e.entries(fd, at)
	case fd.IsList():
		return e.elements(fd, at)
	case walks(fd.Message()):
		return e.message(fd.Message(), at)
	}
	return e.leaf(fd, at, "%s")
}

func (e *explainer) elements(fd protoreflect.FieldDescriptor, at string) (null bool, err error) {
	if null, err := e.open('[', at, "must be a list"); null || err != nil {
		return null, err
	}
	for i := 0; e.dec.More(); i++ {
		here := at + "[" + strconv.Itoa(i) + "]"
		if err := e.element(fd, fd.Message(), here, "[%s]"); err != nil {
			return false, err
		}
	}
	_, err = e.dec.Token()
	return false, err
}

func (e *explainer) entries(fd protoreflect.FieldDescriptor, at string) (null bool, err error) {
	if null, err := e.open('{', at, "must be an object"); null || err != nil {
		return null, err
	}
	seen := map[string]bool{}
	for e.dec.More() {
		key, err := e.key()
		if err != nil {
			return false, err
		}
		here := at + "[" + strconv.Quote(clip(key)) + "]"
		if seen[key] {
			return false, iam.InvalidField(here, "is given twice")
		}
		seen[key] = true
		if _, ok := parseText(fd.MapKey(), key); !ok {
			return false, iam.InvalidField(here, "its key %s", wanted(fd.MapKey()))
		}
		quoted, err := json.Marshal(key)
		if err != nil {
			return false, err
		}
		form := "{" + strings.ReplaceAll(string(quoted), "%", "%%") + ":%s}"
		if err := e.element(fd, fd.MapValue().Message(), here, form); err != nil {
			return false, err
		}
	}
	_, err = e.dec.Token()
	return false, err
}

func (e *explainer) element(fd protoreflect.FieldDescriptor, md protoreflect.MessageDescriptor, at, form string) error {
	if walks(md) {
		null, err := e.message(md, at)
		if null {
			return iam.InvalidField(at, "must be an object")
		}
		return err
	}
	_, err := e.leaf(fd, at, form)
	return err
}

// leaf takes one whole value and asks the decoder itself about it: form puts
// the value where the field expects it.
func (e *explainer) leaf(fd protoreflect.FieldDescriptor, at, form string) (null bool, err error) {
	var raw json.RawMessage
	if err := e.dec.Decode(&raw); err != nil {
		return false, err
	}
	value := fd
	if fd.IsMap() {
		value = fd.MapValue()
	}
	if plainlyFine(value, raw) {
		return false, nil
	}
	if e.trials++; e.trials > maxTrials {
		return false, errTooOdd
	}
	trial := `{"` + fd.JSONName() + `":` + fmt.Sprintf(form, raw) + `}`
	m := dynamicpb.NewMessage(fd.ContainingMessage())
	if (protojson.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal([]byte(trial), m) != nil {
		return false, iam.InvalidField(at, "%s", wanted(value))
	}
	return string(raw) == "null", nil
}

var errTooOdd = errors.New("too many unusual values to try each")

// plainlyFine spares the trial for the usual spellings.
func plainlyFine(fd protoreflect.FieldDescriptor, raw []byte) bool {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0
	case protoreflect.BoolKind:
		return raw[0] == 't' || raw[0] == 'f'
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		_, ok := parseText(fd, string(raw))
		return ok
	}
	return false
}

// walks tells messages that explain walks by itself; the well-known types have
// JSON of their own and are tried as a whole.
func walks(md protoreflect.MessageDescriptor) bool {
	return md != nil && md.FullName().Parent() != "google.protobuf"
}

func (e *explainer) open(want json.Delim, at, text string) (null bool, err error) {
	t, err := e.dec.Token()
	if err != nil || t == nil {
		return err == nil, err
	}
	if t != want {
		return false, iam.InvalidField(at, "%s", text)
	}
	return false, nil
}

func (e *explainer) key() (string, error) {
	t, err := e.dec.Token()
	if err != nil {
		return "", err
	}
	name, ok := t.(string)
	if !ok {
		return "", errTooOdd
	}
	return name, nil
}

// depth is how deeply objects and lists are nested, in text that need not be JSON.
func depth(body []byte) int {
	now, most := 0, 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		case '"':
			i += stringEnd(body[i:]) - 1
		}
	}
	return most
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
