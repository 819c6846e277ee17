package token

// Reencode spells what a token says once more, and keeps its signature.
func Reencode(s string) (string, error) {
	var p parsed
	if err := p.parse(s); err != nil {
		return "", err
	}
	payload := appendPayload(nil, &p.claims, p.claims.DependsOn[1:], p.ignorable)
	b := encoding.AppendEncode([]byte(prefix), payload)
	return string(encoding.AppendEncode(append(b, '.'), p.signature[:])), nil
}
