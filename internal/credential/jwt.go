package credential

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxJWT is the longest JWT that is looked at, in bytes
// [API fact: CreateIamTokenRequest.jwt, length <= 8000].
const maxJWT = 8000

// compact is a JWS in compact serialization (RFC 7515 section 3.1), decoded and
// not yet believed.
type compact struct {
	signed    string // what the signature covers
	header    []byte
	claims    []byte
	signature []byte
}

var base64url = base64.RawURLEncoding.Strict()

// splitJWT cuts and decodes a JWT. There is one spelling of each: base64url
// without padding, spare bits zero, no line breaks.
func splitJWT(jwt string) (compact, error) {
	switch {
	case jwt == "":
		return compact{}, errJWTEmpty
	case len(jwt) > maxJWT:
		return compact{}, errJWTTooLong
	}
	one := strings.IndexByte(jwt, '.')
	two := strings.LastIndexByte(jwt, '.')
	if one < 0 || one == two || strings.IndexByte(jwt[one+1:two], '.') >= 0 {
		return compact{}, errJWTParts
	}
	// The standard decoder skips line breaks even when it is strict.
	if strings.IndexByte(jwt, '\n') >= 0 || strings.IndexByte(jwt, '\r') >= 0 {
		return compact{}, errJWTLineBreak
	}
	c := compact{signed: jwt[:two]}
	space := make([]byte, 0, len(jwt))
	for _, part := range [...]struct {
		name, text string
		into       *[]byte
	}{{"header", jwt[:one], &c.header}, {"claims", jwt[one+1 : two], &c.claims}, {"signature", jwt[two+1:], &c.signature}} {
		start := len(space)
		var err error
		if space, err = base64url.AppendDecode(space, []byte(part.text)); err != nil {
			return compact{}, errBase64(part.name)
		}
		*part.into = space[start:len(space):len(space)]
	}
	return c, nil
}

// header is what matters of a JOSE header.
type header struct {
	alg, kid []byte
	critical bool // has "crit"
}

func parseHeader(b []byte) (header, error) {
	var h header
	s := newScanner(b)
	if s.peek() != '{' {
		s.fail(flawSyntax)
		return h, errJSON("header", s.flaw)
	}
	s.i++
	var seen names
	for {
		name, ok := s.member(&seen)
		if !ok {
			break
		}
		switch string(name) {
		case "alg":
			if s.peek() != '"' {
				return h, errNotString("header", "alg")
			}
			h.alg, _ = s.text()
		case "kid":
			if s.peek() != '"' {
				return h, errNotString("header", "kid")
			}
			h.kid, _ = s.text()
		case "crit":
			h.critical = true
			s.skip(1)
		default:
			s.skip(1)
		}
	}
	if f := s.end(); f != sound {
		return h, errJSON("header", f)
	}
	return h, nil
}

// instant is nanoseconds since 1970.
type instant int64

func (t instant) add(d time.Duration) instant { return t + instant(d) }

// maxSeconds keeps instants within what nanoseconds in 64 bits can hold, with
// room for a life and a skew on top: the year 2242.
const maxSeconds = 1 << 33

// claims is what matters of a JWT's claims (RFC 7519 section 4.1).
type claims struct {
	iss, jti      []byte
	iat, exp, nbf instant
	has           claimSet
	audience      bool // one of aud is an audience of ours
}

type claimSet uint8

const (
	hasIss claimSet = 1 << iota
	hasAud
	hasIat
	hasExp
	hasNbf
	hasJti
)

func parseClaims(b []byte, audiences map[string]struct{}) (claims, error) {
	var c claims
	s := newScanner(b)
	if s.peek() != '{' {
		s.fail(flawSyntax)
		return c, errJSON("claims", s.flaw)
	}
	s.i++
	var seen names
	for {
		name, ok := s.member(&seen)
		if !ok {
			break
		}
		var err error
		switch string(name) {
		case "iss":
			c.has |= hasIss
			c.iss, err = textClaim(&s, "iss")
		case "jti":
			c.has |= hasJti
			c.jti, err = textClaim(&s, "jti")
		case "aud":
			c.has |= hasAud
			c.audience, err = audienceClaim(&s, audiences)
		case "iat":
			c.has |= hasIat
			c.iat, err = timeClaim(&s, "iat")
		case "exp":
			c.has |= hasExp
			c.exp, err = timeClaim(&s, "exp")
		case "nbf":
			c.has |= hasNbf
			c.nbf, err = timeClaim(&s, "nbf")
		default:
			s.skip(1)
		}
		if err != nil {
			return c, err
		}
	}
	if f := s.end(); f != sound {
		return c, errJSON("claims", f)
	}
	return c, nil
}

func textClaim(s *scanner, name string) ([]byte, error) {
	if s.peek() != '"' {
		return nil, errNotString("claims", name)
	}
	text, _ := s.text()
	return text, nil
}

// audienceClaim takes "aud", a string or an array of strings, and tells
// whether one of them is ours, compared byte by byte.
func audienceClaim(s *scanner, audiences map[string]struct{}) (bool, error) {
	switch s.peek() {
	case '"':
		text, _ := s.text()
		_, ours := audiences[string(text)]
		return ours, nil
	case '[':
	default:
		return false, errAudienceType
	}
	s.i++
	found := false
	for first := true; s.element(first); first = false {
		if s.peek() != '"' {
			return false, errAudienceType
		}
		text, _ := s.text()
		_, ours := audiences[string(text)]
		found = found || ours
	}
	return found, nil
}

// timeClaim takes a NumericDate: seconds since 1970, a fraction allowed
// (RFC 7519 section 2).
func timeClaim(s *scanner, name string) (instant, error) {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, errNotTime(name)
	}
	spelling, ok := s.number()
	if !ok {
		return 0, errNotTime(name)
	}
	if spelling[0] == '-' {
		return 0, errNegativeTime(name)
	}
	t, ok := parseInstant(spelling)
	if !ok {
		return 0, errHugeTime(name)
	}
	return t, nil
}

// parseInstant reads a JSON number that is not negative; digits beyond the
// nanosecond are cut off. It fails from maxSeconds on.
func parseInstant(spelling []byte) (instant, bool) {
	var seconds, nanos int64
	i := 0
	for ; i < len(spelling) && spelling[i] >= '0' && spelling[i] <= '9'; i++ {
		if seconds = seconds*10 + int64(spelling[i]-'0'); seconds >= maxSeconds {
			return floatInstant(spelling)
		}
	}
	if i < len(spelling) && spelling[i] == '.' {
		i++
		for unit := int64(time.Second) / 10; i < len(spelling) && spelling[i] >= '0' && spelling[i] <= '9'; i++ {
			nanos += unit * int64(spelling[i]-'0')
			unit /= 10
		}
	}
	if i < len(spelling) { // an exponent, which no client writes
		return floatInstant(spelling)
	}
	return instant(seconds*int64(time.Second) + nanos), true
}

func floatInstant(spelling []byte) (instant, bool) {
	f, err := strconv.ParseFloat(string(spelling), 64)
	if err != nil || math.IsNaN(f) || f >= maxSeconds {
		return 0, false
	}
	whole, fraction := math.Modf(f)
	return instant(int64(whole)*int64(time.Second) + int64(fraction*float64(time.Second))), true
}
