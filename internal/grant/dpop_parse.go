package grant

import (
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// proofClaims is a proof of possession, read and not yet believed.
type proofClaims struct {
	key       *publicKey
	id        string // jti
	method    string // htm
	url       string // htu
	issued    time.Time
	signed    string // what the signature covers
	signature []byte
}

// parseProof reads a proof (RFC 9449 section 4.2), a JWS in compact form.
func parseProof(text string) (*proofClaims, error) {
	switch {
	case text == "":
		return nil, badProof("it is empty")
	case len(text) > MaxProof:
		return nil, badProof("it is longer than %d bytes", MaxProof)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, badProof("it is not a JWT, which has three parts")
	}
	var raw [3][]byte
	for i, part := range parts {
		b, err := decodePart(part)
		if err != nil {
			return nil, badProof("it is not base64url without padding")
		}
		raw[i] = b
	}
	header, ok := objectOf(raw[0])
	if !ok || !utf8.Valid(raw[0]) {
		return nil, badProof("its header is not a JSON object that gives each name once")
	}
	key, err := headerKey(header)
	if err != nil {
		return nil, err
	}
	claims, ok := objectOf(raw[1])
	if !ok || !utf8.Valid(raw[1]) {
		return nil, badProof("its claims are not a JSON object that gives each name once")
	}
	p := &proofClaims{key: key, signed: text[:len(parts[0])+1+len(parts[1])], signature: raw[2]}
	return p, p.read(claims)
}

func headerKey(header map[string]json.RawMessage) (*publicKey, error) {
	if typ, _ := stringOf(header["typ"]); !strings.EqualFold(typ, "dpop+jwt") {
		return nil, badProof("'typ' in its header must be dpop+jwt")
	}
	if _, has := header["crit"]; has {
		return nil, badProof("'crit' in its header is not supported")
	}
	algorithm, _ := stringOf(header["alg"])
	switch algorithm {
	case "ES256", "RS256", "PS256", "EdDSA":
	default:
		return nil, badProof("'alg' must be one of %s", strings.Join(DPoPAlgorithms(), ", "))
	}
	jwk, ok := objectOf(header["jwk"])
	if !ok {
		return nil, badProof("'jwk' in its header must be a public key")
	}
	return keyOf(algorithm, jwk)
}

// DPoPAlgorithms are those of proofs (RFC 9449 section 5.1).
func DPoPAlgorithms() []string { return []string{"ES256", "RS256", "PS256", "EdDSA"} }

func (p *proofClaims) read(claims map[string]json.RawMessage) error {
	for _, c := range []struct {
		name string
		into *string
		most int
	}{{"jti", &p.id, mostID}, {"htm", &p.method, 32}, {"htu", &p.url, 2000}} {
		text, ok := stringOf(claims[c.name])
		if !ok || text == "" || len(text) > c.most {
			return badProof("'%s' must be a string of at most %d characters", c.name, c.most)
		}
		*c.into = text
	}
	seconds, err := secondsOf(claims["iat"])
	if err != nil {
		return badProof("'iat' must be a number of seconds since 1970")
	}
	p.issued = time.Unix(seconds, 0)
	return nil
}

// mostSeconds keeps times within what every computation with them can hold: the year 2242.
const mostSeconds = 1 << 33

// secondsOf is a NumericDate (RFC 7519 section 2); parts of a second are cut off.
func secondsOf(raw json.RawMessage) (int64, error) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f < 0 || f > mostSeconds {
		return 0, errors.New("no time")
	}
	return int64(f), nil
}

// decodePart takes base64url apart, of which there is one spelling.
func decodePart(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return nil, errors.New("a line break")
	}
	return secretText.DecodeString(text)
}

// sameTarget tells whether both addresses are one, without query and fragment
// (RFC 9449 section 4.3, RFC 3986 section 6.2.2 and 6.2.3).
func sameTarget(given, want string) bool {
	a, ok := targetOf(given)
	b, known := targetOf(want)
	return ok && known && a == b
}

var ports = map[string]string{"http": "80", "https": "443"}

func targetOf(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || u.RawPath != "" { // no address of ours is spelled so
		return "", false
	}
	scheme := strings.ToLower(u.Scheme)
	port, known := ports[scheme]
	if !known {
		return "", false
	}
	if p := u.Port(); p != "" {
		port = p
	}
	place := u.Path
	if place == "" {
		place = "/"
	}
	if clean := path.Clean(place); clean != strings.TrimSuffix(place, "/") && clean != place {
		return "", false // dots and empty segments name no address of ours
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port + (&url.URL{Path: place}).EscapedPath(), true
}
