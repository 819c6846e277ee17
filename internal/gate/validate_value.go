package gate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// elementRule checks one value; the report stands at its place already.
type elementRule func(*report, protoreflect.Value)

// element compiles what must hold for one value of a field's type, nil when
// nothing must.
func (c *compiler) element(fd protoreflect.FieldDescriptor, o options) (elementRule, error) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return c.textRule(o)
	case protoreflect.BytesKind:
		return bytesRule(o)
	case protoreflect.EnumKind:
		if err := o.only(); err != nil {
			return nil, err
		}
		return enumRule(fd.Enum()), nil
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return c.messageRule(fd.Message(), o)
	case protoreflect.BoolKind:
		return nil, o.only()
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return numberRule(o, protoreflect.Value.Float, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return numberRule(o, protoreflect.Value.Uint, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
	default:
		return numberRule(o, protoreflect.Value.Int, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	}
}

func (c *compiler) textRule(o options) (elementRule, error) {
	if err := o.only("pattern", "length", "bytes"); err != nil {
		return nil, err
	}
	length, err := parseCount(o.length)
	if err != nil {
		return nil, fmt.Errorf("length: %w", err)
	}
	size, err := parseCount(o.bytes)
	if err != nil {
		return nil, fmt.Errorf("bytes: %w", err)
	}
	pattern, err := c.pattern(o.pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	return func(r *report, v protoreflect.Value) {
		s := v.String()
		switch {
		case !utf8.ValidString(s):
			r.fail("must be valid UTF-8")
		case strings.IndexByte(s, 0) >= 0:
			r.fail("must not contain a NUL character")
		case length != nil && !lengthHolds(length, s):
			r.fail("must be " + length.text + " characters long")
		case size != nil && !size.holds(len(s)):
			r.fail("must be " + size.text + " bytes long")
		case pattern != nil && !pattern.MatchString(s):
			r.fail("must match the pattern " + o.pattern)
		}
	}, nil
}

// lengthHolds counts characters only when the number of bytes leaves a doubt.
func lengthHolds(i *interval[int], s string) bool {
	if !i.hasLow && i.holds(len(s)) {
		return true // there are never more characters than bytes
	}
	return i.holds(utf8.RuneCountInString(s))
}

func bytesRule(o options) (elementRule, error) {
	if err := o.only("length", "bytes"); err != nil {
		return nil, err
	}
	if o.length != "" && o.bytes != "" {
		return nil, fmt.Errorf("both length and bytes are given")
	}
	size, err := parseCount(o.length + o.bytes)
	if err != nil || size == nil {
		return nil, err
	}
	return func(r *report, v protoreflect.Value) {
		if !size.holds(len(v.Bytes())) {
			r.fail("must be " + size.text + " bytes long")
		}
	}, nil
}

func enumRule(ed protoreflect.EnumDescriptor) elementRule {
	values, name := ed.Values(), string(ed.Name())
	return func(r *report, v protoreflect.Value) {
		if values.ByNumber(v.Enum()) == nil {
			r.fail(fmt.Sprintf("%s has no value %d", name, v.Enum()))
		}
	}
}

func numberRule[T int64 | uint64 | float64](o options, get func(protoreflect.Value) T, parse func(string) (T, error)) (elementRule, error) {
	if err := o.only("value"); err != nil {
		return nil, err
	}
	in, err := parseInterval(o.value, parse, func(a, b T) bool { return a < b })
	if err != nil || in == nil {
		return nil, err
	}
	return func(r *report, v protoreflect.Value) {
		n := get(v)
		if n != n || !in.holds(n) { // NaN differs from itself
			r.fail("must be " + in.text)
		}
	}, nil
}

// wellKnown tells messages whose inside has no rules of its own.
func wellKnown(md protoreflect.MessageDescriptor) bool {
	return md.FullName().Parent() == "google.protobuf" || md.FullName().Parent() == "google.rpc"
}

func (c *compiler) messageRule(md protoreflect.MessageDescriptor, o options) (elementRule, error) {
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		return momentRule(md, o, parseTimestamp, validTimestamp, "must be a time in the years 1 to 9999")
	case "google.protobuf.Duration":
		return momentRule(md, o, parseDuration, validDuration, "must be a duration of at most 10,000 years")
	}
	if err := o.only(); err != nil {
		return nil, err
	}
	if wellKnown(md) {
		return nil, nil
	}
	// A type that contains itself may still be in the making, so whether it
	// has rules at all is looked up when it is met.
	rules, err := c.message(md)
	if err != nil {
		return nil, err
	}
	return func(r *report, v protoreflect.Value) {
		if !rules.empty() && !r.full() {
			rules.check(r, v.Message())
		}
	}, nil
}

func momentRule(md protoreflect.MessageDescriptor, o options, parse func(string) (moment, error), valid func(moment) bool, broken string) (elementRule, error) {
	if err := o.only("value"); err != nil {
		return nil, err
	}
	in, err := parseInterval(o.value, parse, earlier)
	if err != nil {
		return nil, err
	}
	seconds, nanos := md.Fields().ByName("seconds"), md.Fields().ByName("nanos")
	return func(r *report, v protoreflect.Value) {
		m := v.Message()
		at := moment{m.Get(seconds).Int(), int32(m.Get(nanos).Int())}
		switch {
		case !valid(at):
			r.fail(broken)
		case in != nil && !in.holds(at):
			r.fail("must be " + in.text)
		}
	}, nil
}

// The bounds that the well-known types document for themselves.
func validTimestamp(m moment) bool {
	return m.seconds >= -62135596800 && m.seconds <= 253402300799 && m.nanos >= 0 && m.nanos < 1e9
}

func validDuration(m moment) bool {
	const most = 315576000000
	return m.seconds >= -most && m.seconds <= most && m.nanos > -1e9 && m.nanos < 1e9 &&
		(m.seconds <= 0 || m.nanos >= 0) && (m.seconds >= 0 || m.nanos <= 0)
}

func isNumber(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind, protoreflect.BoolKind,
		protoreflect.MessageKind, protoreflect.GroupKind:
		return false
	}
	return true
}

// isFilled gives the test whether a value that is there is more than nothing.
func isFilled(k protoreflect.Kind) func(protoreflect.Value) bool {
	switch k {
	case protoreflect.StringKind:
		return func(v protoreflect.Value) bool { return v.String() != "" }
	case protoreflect.BytesKind:
		return func(v protoreflect.Value) bool { return len(v.Bytes()) > 0 }
	case protoreflect.EnumKind:
		return func(v protoreflect.Value) bool { return v.Enum() != 0 }
	case protoreflect.BoolKind, protoreflect.MessageKind, protoreflect.GroupKind:
		return func(protoreflect.Value) bool { return true }
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return func(v protoreflect.Value) bool { return math.Float64bits(v.Float()) != 0 }
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return func(v protoreflect.Value) bool { return v.Uint() != 0 }
	default:
		return func(v protoreflect.Value) bool { return v.Int() != 0 }
	}
}
