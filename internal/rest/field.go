package rest

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/iam"
)

// parseText reads a value that came as text, in a path or a query string.
func parseText(fd protoreflect.FieldDescriptor, s string) (protoreflect.Value, bool) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(s), utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(s == "true"), s == "true" || s == "false"
	case protoreflect.EnumKind:
		if v := fd.Enum().Values().ByName(protoreflect.Name(s)); v != nil {
			return protoreflect.ValueOfEnum(v.Number()), true
		}
		n, err := strconv.ParseInt(s, 10, 32)
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n)), err == nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := strconv.ParseInt(s, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), err == nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		n, err := strconv.ParseInt(s, 10, 64)
		return protoreflect.ValueOfInt64(n), err == nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, err := strconv.ParseUint(s, 10, 32)
		return protoreflect.ValueOfUint32(uint32(n)), err == nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, err := strconv.ParseUint(s, 10, 64)
		return protoreflect.ValueOfUint64(n), err == nil
	case protoreflect.FloatKind:
		n, err := strconv.ParseFloat(s, 32)
		return protoreflect.ValueOfFloat32(float32(n)), err == nil
	case protoreflect.DoubleKind:
		n, err := strconv.ParseFloat(s, 64)
		return protoreflect.ValueOfFloat64(n), err == nil
	case protoreflect.BytesKind:
		enc := base64.RawStdEncoding
		if strings.ContainsAny(s, "-_") {
			enc = base64.RawURLEncoding
		}
		b, err := enc.DecodeString(strings.TrimRight(s, "="))
		return protoreflect.ValueOfBytes(b), err == nil
	}
	return protoreflect.Value{}, false
}

// asText tells messages whose JSON is one string or scalar, so that a query
// string can hold them.
func asText(md protoreflect.MessageDescriptor) bool {
	switch md.FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask":
		return true
	}
	return isWrapper(md)
}

func isWrapper(md protoreflect.MessageDescriptor) bool {
	return md.FullName().Parent() == "google.protobuf" && strings.HasSuffix(string(md.Name()), "Value") &&
		md.Fields().Len() == 1 && md.Fields().Get(0).Name() == "value"
}

// parseMessageText fills a message that asText knows.
func parseMessageText(m protoreflect.Message, s string) bool {
	if isWrapper(m.Descriptor()) {
		fd := m.Descriptor().Fields().Get(0)
		v, ok := parseText(fd, s)
		if ok {
			m.Set(fd, v)
		}
		return ok
	}
	quoted, err := json.Marshal(s)
	return err == nil && utf8.ValidString(s) && protojson.Unmarshal(quoted, m.Interface()) == nil
}

// wanted says what a field takes; never what was given, which may be secret.
func wanted(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return "must be text (UTF-8 without NUL)"
	case protoreflect.BytesKind:
		return "must be base64"
	case protoreflect.BoolKind:
		return "must be true or false"
	case protoreflect.EnumKind:
		names := make([]string, 0, fd.Enum().Values().Len())
		for i := range fd.Enum().Values().Len() {
			names = append(names, string(fd.Enum().Values().Get(i).Name()))
		}
		return "must be one of " + strings.Join(names, ", ")
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "must be a number"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return wantedMessage(fd.Message())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "must be a whole number of 32 bits"
	default:
		return "must be a whole number of 64 bits"
	}
}

func wantedMessage(md protoreflect.MessageDescriptor) string {
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		return `must be a time such as "2026-01-02T15:04:05Z"`
	case "google.protobuf.Duration":
		return `must be a duration in seconds such as "3600s"`
	case "google.protobuf.FieldMask":
		return `must be field names in lowerCamelCase with commas between, such as "name,expiresAt"`
	case "google.protobuf.Any":
		return `must be an object whose "@type" names a message of this API`
	}
	if isWrapper(md) {
		return wanted(md.Fields().Get(0))
	}
	return "must be an object"
}

// clip shortens a caller's text for an answer and keeps it valid UTF-8.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func refuse(kind iam.Kind, reason, text string) error {
	return &iam.Error{Kind: kind, Message: text, Reason: reason}
}
