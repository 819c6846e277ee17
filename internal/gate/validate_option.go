package gate

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// options are the validation options of one field, as written.
type options struct {
	required, unique                    bool
	pattern, value, size, length, bytes string
	mapKey                              *cloud.MapKeySpec
}

func optionsOf(fd protoreflect.FieldDescriptor) options {
	o := fd.Options()
	text := func(x protoreflect.ExtensionType) string { return proto.GetExtension(o, x).(string) }
	return options{
		required: proto.GetExtension(o, cloud.E_Required).(bool),
		unique:   proto.GetExtension(o, cloud.E_Unique).(bool),
		pattern:  text(cloud.E_Pattern),
		value:    text(cloud.E_Value),
		size:     text(cloud.E_Size),
		length:   text(cloud.E_Length),
		bytes:    text(cloud.E_Bytes),
		mapKey:   proto.GetExtension(o, cloud.E_MapKey).(*cloud.MapKeySpec),
	}
}

// element is what holds for each element of a list or each value of a map.
func (o options) element() options {
	o.required, o.unique, o.size, o.mapKey = false, false, "", nil
	return o
}

// only reports an option that is set and does not apply.
func (o options) only(allowed ...string) error {
	set := map[string]bool{
		"pattern": o.pattern != "", "value": o.value != "", "size": o.size != "", "length": o.length != "",
		"bytes": o.bytes != "", "unique": o.unique, "map_key": o.mapKey != nil,
	}
	for _, a := range allowed {
		delete(set, a)
	}
	for name, is := range set {
		if is {
			return fmt.Errorf("option %s does not apply to it", name)
		}
	}
	return nil
}

// interval is a parsed range of values.
type interval[T any] struct {
	low, high         T
	hasLow, hasHigh   bool
	openLow, openHigh bool // the bound itself is outside
	less              func(a, b T) bool
	text              string // "at most 50", "between 1 and 63"
}

func (i *interval[T]) holds(v T) bool {
	if i.hasLow && (i.less(v, i.low) || i.openLow && !i.less(i.low, v)) {
		return false
	}
	if i.hasHigh && (i.less(i.high, v) || i.openHigh && !i.less(v, i.high)) {
		return false
	}
	return true
}

// parseInterval reads "<=N", "<N", ">=N", ">N", "N-M" and "N"; "" gives nil.
func parseInterval[T any](s string, parse func(string) (T, error), less func(a, b T) bool) (*interval[T], error) {
	if s == "" {
		return nil, nil
	}
	i := &interval[T]{less: less}
	for _, form := range []struct {
		sign, text string
		high, open bool
	}{{"<=", "at most ", true, false}, {">=", "at least ", false, false}, {"<", "less than ", true, true}, {">", "more than ", false, true}} {
		rest, ok := strings.CutPrefix(s, form.sign)
		if !ok {
			continue
		}
		n, err := parse(rest)
		if err != nil {
			return nil, fmt.Errorf("range %q: %w", s, err)
		}
		i.text = form.text + rest
		if form.high {
			i.high, i.hasHigh, i.openHigh = n, true, form.open
		} else {
			i.low, i.hasLow, i.openLow = n, true, form.open
		}
		return i, nil
	}
	return i.between(s, parse)
}

func (i *interval[T]) between(s string, parse func(string) (T, error)) (*interval[T], error) {
	i.hasLow, i.hasHigh = true, true
	if n, err := parse(s); err == nil {
		i.low, i.high, i.text = n, n, "exactly "+s
		return i, nil
	}
	// A minus may also be a sign, so every place where both sides parse counts.
	for at := 1; at < len(s); at++ {
		if s[at] != '-' {
			continue
		}
		low, err1 := parse(s[:at])
		high, err2 := parse(s[at+1:])
		if err1 != nil || err2 != nil {
			continue
		}
		if i.less(high, low) {
			return nil, fmt.Errorf("range %q is empty", s)
		}
		i.low, i.high, i.text = low, high, "between "+s[:at]+" and "+s[at+1:]
		return i, nil
	}
	return nil, fmt.Errorf("range %q is in no known form", s)
}

func parseCount(s string) (*interval[int], error) {
	return parseInterval(s, func(s string) (int, error) {
		n, err := strconv.ParseUint(s, 10, 31)
		return int(n), err
	}, func(a, b int) bool { return a < b })
}

// moment is a google.protobuf.Timestamp or Duration.
type moment struct {
	seconds int64
	nanos   int32
}

func earlier(a, b moment) bool {
	return a.seconds < b.seconds || a.seconds == b.seconds && a.nanos < b.nanos
}

func parseDuration(s string) (moment, error) {
	d, err := time.ParseDuration(s)
	return moment{int64(d / time.Second), int32(d % time.Second)}, err
}

func parseTimestamp(s string) (moment, error) {
	t, err := time.Parse("20060102T150405.000000000", s)
	return moment{t.Unix(), int32(t.Nanosecond())}, err
}
