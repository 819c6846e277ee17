package rest

import (
	"google.golang.org/protobuf/proto"
)

// Compact is compact, for texts whose spaces a test can choose.
func Compact(s string) string {
	b := []byte(s)
	return string(b[:compact(b)])
}

// DecodeQuery fills any message from a query string.
func DecodeQuery(m proto.Message, query string) error {
	return decodeQuery(m.ProtoReflect(), query, &route{})
}

// DecodeBody fills any message from JSON.
func DecodeBody(body []byte, m proto.Message) error { return decodeBody(body, m) }

// DecodePlain and AppendPlain are the short ways through JSON.
func DecodePlain(body []byte, m proto.Message) bool { return decodePlain(body, m) }

func AppendPlain(m proto.Message) (string, bool) {
	b, ok := appendPlain(nil, m)
	return string(b), ok
}
