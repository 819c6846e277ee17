package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// value is a flag that fills a field of a request, whose type says how it is
// written: labels as key=value,key=value, lists with commas, times by RFC 3339,
// lengths of time as 1h30m, choices by their names. Labels and lists may stand
// there several times.
type value struct {
	into   protoreflect.Message
	field  protoreflect.FieldDescriptor
	nested protoreflect.FieldDescriptor // in which the field stands, when it does not stand in the request itself
	reads  reading
	text   string
}

// reading says what a flag's text is, when it is not the field's own value but
// something of which the value is made when the request is filled.
type reading int

const (
	itself     reading = iota
	aName              // of a thing whose id the field takes
	aSecret            // or - for standard input
	aFile              // with the value in it, or the value
	aTimeAhead         // a time, or how long it is until then
)

// String implements flag.Value.
func (v *value) String() string { return v.text }

// IsBoolFlag has --flag alone mean true.
func (v *value) IsBoolFlag() bool {
	return v.field != nil && v.field.Kind() == protoreflect.BoolKind && !v.field.IsList()
}

// Set implements flag.Value.
func (v *value) Set(text string) error {
	v.text = text
	if v.reads != itself {
		return nil
	}
	if v.nested != nil {
		v.into, v.nested = v.into.Mutable(v.nested).Message(), nil
	}
	switch {
	case v.field.IsMap():
		var pairs labels
		if err := pairs.Set(text); err != nil {
			return err
		}
		all := v.into.Mutable(v.field).Map()
		for key, label := range pairs {
			all.Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(label))
		}
		return nil
	case v.field.IsList():
		list := v.into.Mutable(v.field).List()
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			one, err := scalar(v.field, item)
			if err != nil {
				return err
			}
			list.Append(one)
		}
		return nil
	}
	one, err := scalar(v.field, text)
	if err == nil {
		v.into.Set(v.field, one)
	}
	return err
}

// scalar reads one value of a field's type.
func scalar(field protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return protoreflect.Value{}, fmt.Errorf("%q is not true or false", text)
		}
		return protoreflect.ValueOfBool(b), nil
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		bits := 64
		if field.Kind() == protoreflect.Int32Kind {
			bits = 32
		}
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return protoreflect.Value{}, fmt.Errorf("%q is no whole number", text)
		}
		if bits == 32 {
			return protoreflect.ValueOfInt32(int32(n)), nil
		}
		return protoreflect.ValueOfInt64(n), nil
	case protoreflect.EnumKind:
		return choice(field.Enum(), text)
	case protoreflect.MessageKind:
		m, err := wellKnown(field.Message().FullName(), text)
		if err != nil {
			return protoreflect.Value{}, err
		}
		return protoreflect.ValueOfMessage(m.ProtoReflect()), nil
	}
	return protoreflect.Value{}, fmt.Errorf("a field of kind %v is no flag", field.Kind())
}

func wellKnown(name protoreflect.FullName, text string) (proto.Message, error) {
	switch name {
	case "google.protobuf.Timestamp":
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, fmt.Errorf("%q is no RFC 3339 time such as 2030-01-02T15:04:05Z", text)
		}
		return timestamppb.New(t), nil
	case "google.protobuf.Duration":
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no length of time such as 1h30m", text)
		}
		return durationpb.New(d), nil
	}
	if name == "google.protobuf.FieldMask" {
		return &fieldmaskpb.FieldMask{Paths: strings.Split(text, ",")}, nil
	}
	return nil, fmt.Errorf("a field of type %s is no flag", name)
}

// choice finds an enum's value by its name, in small letters with hyphens or as
// the API spells it.
func choice(enum protoreflect.EnumDescriptor, text string) (protoreflect.Value, error) {
	wanted := strings.ToUpper(strings.ReplaceAll(text, "-", "_"))
	if v := enum.Values().ByName(protoreflect.Name(wanted)); v != nil {
		return protoreflect.ValueOfEnum(v.Number()), nil
	}
	return protoreflect.Value{}, fmt.Errorf("%q is none of %s", text, strings.Join(choices(enum), ", "))
}

// choices are an enum's values as one writes them, but for the one that means
// that none is chosen.
func choices(enum protoreflect.EnumDescriptor) (all []string) {
	for i := range enum.Values().Len() {
		if v := enum.Values().Get(i); v.Number() != 0 || !strings.HasSuffix(string(v.Name()), "UNSPECIFIED") {
			all = append(all, strings.ToLower(strings.ReplaceAll(string(v.Name()), "_", "-")))
		}
	}
	return all
}

// printTexts prints a list of texts.
func (s *session) printTexts(ctx context.Context, all []protoreflect.Value) error {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = v.String()
	}
	data, err := json.Marshal(texts)
	if err != nil {
		return err
	}
	return s.printer().JSON(ctx, data)
}
