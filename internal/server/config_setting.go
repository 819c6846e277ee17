package server

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one leaf of a Config, and the one place that turns its text into
// a value, wherever the text came from.
type setting struct {
	name  string // "http-listen", "master-key-file"
	path  string // "http-listen", "master-key.file"
	field string // Go name, "HTTPListen", "MasterKey.File"
	def   string
	value reflect.Value
}

func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// repeatable tells whether several texts add up.
func (s setting) repeatable() bool {
	return s.value.Kind() == reflect.Slice || s.value.Kind() == reflect.Map
}

// settingsOf lists the settings of a Config in the order of its fields.
func settingsOf(c *Config) []setting {
	return walkSettings(reflect.ValueOf(c).Elem(), setting{})
}

func walkSettings(v reflect.Value, in setting) []setting {
	var all []setting
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("config")
		s := setting{name: name, path: name, field: f.Name, def: f.Tag.Get("default"), value: v.Field(i)}
		if in.name != "" {
			s.name, s.path, s.field = in.name+"-"+name, in.path+"."+name, in.field+"."+f.Name
		}
		if f.Type.Kind() == reflect.Struct {
			all = append(all, walkSettings(v.Field(i), s)...)
			continue
		}
		all = append(all, s)
	}
	return all
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	levelType    = reflect.TypeFor[slog.Level]()
	bytesType    = reflect.TypeFor[Bytes]()
	callersType  = reflect.TypeFor[[]AccessCaller]()
	leaksType    = reflect.TypeFor[[]LeakSource]()

	registriesType = reflect.TypeFor[[]Registry]()

	providersType = reflect.TypeFor[[]SignInProvider]()
)

// set stores a text in the setting; in a repeatable one it is added.
// The error does not repeat the setting's name.
func (s setting) set(text string) error {
	switch s.value.Type() {
	case durationType:
		d, err := parseDuration(text)
		s.value.SetInt(int64(d))
		return err
	case bytesType:
		n, err := parseBytes(text)
		s.value.SetInt(int64(n))
		return err
	case levelType:
		l, err := parseLevel(text)
		s.value.SetInt(int64(l))
		return err
	}
	switch s.value.Kind() {
	case reflect.String:
		s.value.SetString(text)
	case reflect.Bool:
		switch text {
		case "true":
			s.value.SetBool(true)
		case "false":
			s.value.SetBool(false)
		default:
			return fmt.Errorf("%q is neither true nor false", text)
		}
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return fmt.Errorf("%q is not a whole number above zero", text)
		}
		s.value.SetInt(int64(n))
	case reflect.Slice:
		if text == "" {
			return errors.New("an empty entry")
		}
		return s.add(text)
	case reflect.Map:
		return s.setEntry(text)
	default:
		panic("server: setting " + s.name + " has a type without a text form")
	}
	return nil
}

// add appends what a text says to a list.
func (s setting) add(text string) (err error) {
	var entry any = text
	switch s.value.Type() {
	case callersType:
		entry, err = parseAccessCaller(text)
	case leaksType:
		entry, err = parseLeakSource(text)
	case registriesType:
		entry, err = parseRegistry(text)
	case providersType:
		entry, err = parseSignInProvider(text)
	}
	s.value.Set(reflect.Append(s.value, reflect.ValueOf(entry)))
	return err
}

func (s setting) setEntry(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" || value == "" {
		return fmt.Errorf("%q is not of the form id=address", text)
	}
	if s.value.IsNil() {
		s.value.Set(reflect.MakeMap(s.value.Type()))
	}
	if s.value.MapIndex(reflect.ValueOf(key)).IsValid() {
		return fmt.Errorf("%q is given twice", key)
	}
	s.value.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(value))
	return nil
}

// texts gives the setting's value back as the texts that set takes.
func (s setting) texts() []string {
	switch v := s.value.Interface().(type) {
	case time.Duration:
		return []string{formatDuration(v)}
	case Bytes:
		return []string{v.String()}
	case slog.Level:
		return []string{strings.ToLower(v.String())}
	case []string:
		return v
	case []AccessCaller:
		return textsOf(v)
	case []LeakSource:
		return textsOf(v)
	case []Registry:
		return textsOf(v)
	case []SignInProvider:
		return textsOf(v)
	case map[string]string:
		var all []string
		for k, a := range v {
			all = append(all, k+"="+a)
		}
		slices.Sort(all)
		return all
	default:
		return []string{fmt.Sprint(v)}
	}
}

func textsOf[T fmt.Stringer](list []T) (all []string) {
	for _, v := range list {
		all = append(all, v.String())
	}
	return all
}

// ParseDuration reads a duration as settings are written.
func ParseDuration(text string) (time.Duration, error) { return parseDuration(text) }

// parseDuration reads Go's durations, and whole days as "30d". Zero is
// refused: a zero field means its default, and saying otherwise would lie.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if n, ok := strings.CutSuffix(text, "d"); ok {
		var days int64
		days, err = strconv.ParseInt(n, 10, 64)
		if days > math.MaxInt64/int64(24*time.Hour) {
			return 0, fmt.Errorf("%q is too long", text)
		}
		d = time.Duration(days) * 24 * time.Hour
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 30s, 15m, 12h or 30d", text)
	}
	if d <= 0 {
		return 0, fmt.Errorf("%q is not above zero", text)
	}
	return d, nil
}

func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d > day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var byteUnits = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

func parseBytes(text string) (Bytes, error) {
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n <= 0 || n > math.MaxInt64/u.size {
			break
		}
		return Bytes(n * u.size), nil
	}
	return 0, fmt.Errorf("%q is not a size such as 65536, 64KiB or 1GiB", text)
}

// String writes the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if int64(b) >= u.size && int64(b)%u.size == 0 && u.size > 1 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is none of debug, info, warn, error", text)
}
