package accessservice

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v2 "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
	v1 "github.com/propusk/propusk/proto/yandex/cloud/priv/servicecontrol/v1"
)

// The most bytes of each text; bytes are never fewer than characters, which
// the descriptors count.
const (
	mostToken      = 1024
	mostPermission = 128
	mostElements   = 128
	mostID         = 50
	mostType       = 64
	mostText       = 8192 // string to sign
	mostSignature  = 128
	mostRegion     = 32
)

// obvious tells of the usual questions, with an IAM token, an API key or (who
// somebody is) a signature of version 4, that they keep the rules of their
// descriptors. It implements gate.Obvious for both packages.
func obvious(m proto.Message) bool {
	switch m := m.(type) {
	case *v2.AuthorizeRequest:
		return obviousQuestion(usual(m), m.GetPermission(), m.GetResourcePath())
	case *v1.AuthorizeRequest:
		return obviousQuestion(usual(m), m.GetPermission(), m.GetResourcePath())
	case *v2.AuthenticateRequest:
		if s := m.GetSignature(); s != nil {
			return obviousSignature(s, s.GetV4Parameters())
		}
		return within(usual(m), mostToken)
	case *v1.AuthenticateRequest:
		if s := m.GetSignature(); s != nil {
			return obviousSignature(s, s.GetV4Parameters())
		}
		return within(usual(m), mostToken)
	}
	return false
}

func obviousSignature(s interface {
	GetAccessKeyId() string
	GetStringToSign() string
	GetSignature() string
}, v4 interface {
	GetSignedAt() *timestamppb.Timestamp
	GetService() string
	GetRegion() string
}) bool {
	return within(s.GetAccessKeyId(), mostID) && within(s.GetStringToSign(), mostText) && within(s.GetSignature(), mostSignature) &&
		v4.GetSignedAt().IsValid() && within(v4.GetService(), mostType) && within(v4.GetRegion(), mostRegion)
}

// usual is the IAM token or API key of a request; "" when it has another
// credential or none.
func usual(m interface {
	GetIamToken() string
	GetApiKey() string
}) string {
	if t := m.GetIamToken(); t != "" {
		return t
	}
	return m.GetApiKey()
}

// Obvious implements gate.Obvious.
func (AccessService) Obvious(m proto.Message) bool { return obvious(m) }

// Obvious implements gate.Obvious.
func (ServiceControl) Obvious(m proto.Message) bool { return obvious(m) }

func obviousQuestion[R refMessage](token, permission string, path []R) bool {
	if !within(token, mostToken) || !within(permission, mostPermission) || len(path) == 0 || len(path) > mostElements {
		return false
	}
	for _, r := range path {
		if !within(r.GetId(), mostID) || !within(r.GetType(), mostType) {
			return false
		}
	}
	return true
}

// within tells of a text that it is there, is not too long and is one at all.
func within(s string, most int) bool {
	return s != "" && len(s) <= most && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}
