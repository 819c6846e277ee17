package temporary

import "github.com/propusk/propusk/internal/iam"

// Tagged is a token of this key with any payload.
func (k *Key) Tagged(payload []byte) string {
	signed := prefix + encoding.EncodeToString(payload)
	tag := k.tag.sum(signed)
	return signed + "." + encoding.EncodeToString(tag[:])
}

// Payload is what stands between the dots of a token that was made here.
func Payload(token iam.Secret) []byte {
	text := token.Reveal()
	payload, err := encoding.DecodeString(text[len(prefix) : len(text)-tagText-1])
	if err != nil {
		panic(err)
	}
	return payload
}

// Again spells a parsed payload anew.
func Again(payload []byte) (again []byte, reason string) {
	var p parsed
	if reason := p.read(string(payload)); reason != "" {
		return nil, reason
	}
	others, err := check(&p.session)
	if err != nil {
		return nil, err.Error()
	}
	return appendPayload(nil, &p.session, p.session.KeyID, others, p.ignorable), ""
}
