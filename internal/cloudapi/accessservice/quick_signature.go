package accessservice

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	v2 "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// signedMessages is what an AuthenticateRequest with a signature of version 4
// is made of, in one piece of memory.
type signedMessages struct {
	credential v2.AuthenticateRequest_Signature
	signature  v2.AccessKeySignature
	parameters v2.AccessKeySignature_V4Parameters
	version4   v2.AccessKeySignature_Version4Parameters
	at         timestamppb.Timestamp
}

// decodeSigned reads an AuthenticateRequest with a signature of version 4, each
// field once and in the order of the numbers. Whatever looks any different is
// left to the framework, with the message as it was.
func decodeSigned(wire []byte, r *v2.AuthenticateRequest) bool {
	number, inner, after, ok := textField(wire)
	if !ok || number != 2 || len(after) != 0 {
		return false
	}
	text := string(inner)
	all := &signedMessages{}
	rest := inner
	next := func(number protowire.Number) string {
		got, value, after, is := textField(rest)
		if ok = ok && is && got == number; !ok {
			return ""
		}
		end := len(inner) - len(after)
		rest = after
		return text[end-len(value) : end]
	}
	all.signature.AccessKeyId, all.signature.StringToSign, all.signature.Signature = next(1), next(2), next(3)
	if parameters := next(5); !ok || len(rest) != 0 {
		return false
	} else if rest = inner[len(inner)-len(parameters):]; len(rest) == 0 {
		return false
	}
	at := next(1)
	all.version4.Service, all.version4.Region = next(2), next(3)
	if !ok || len(rest) != 0 || !readTime([]byte(at), &all.at) || !utf8.ValidString(all.signature.AccessKeyId) ||
		!utf8.ValidString(all.signature.StringToSign) || !utf8.ValidString(all.signature.Signature) ||
		!utf8.ValidString(all.version4.Service) || !utf8.ValidString(all.version4.Region) {
		return false
	}
	all.version4.SignedAt = &all.at
	all.parameters.V4Parameters = &all.version4
	all.signature.Parameters = &all.parameters
	all.credential.Signature = &all.signature
	r.Credentials = &all.credential
	return true
}

// readTime reads a Timestamp of whole seconds.
func readTime(wire []byte, into *timestamppb.Timestamp) bool {
	number, kind, n := protowire.ConsumeTag(wire)
	if n < 0 || number != 1 || kind != protowire.VarintType {
		return false
	}
	seconds, size := protowire.ConsumeVarint(wire[n:])
	into.Seconds = int64(seconds)
	return size > 0 && n+size == len(wire)
}
