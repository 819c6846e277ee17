package credential

// For the fuzz tests, which compare the hand-written scanner with the standard
// library's.

// ParsedClaims is what parseClaims found.
type ParsedClaims struct {
	Iss, Jti         string
	Iat, Exp, Nbf    int64 // nanoseconds
	HasIss, HasAud   bool
	HasIat, HasExp   bool
	HasNbf, HasJti   bool
	AudienceAccepted bool
}

func ParseClaims(b []byte, audiences ...string) (ParsedClaims, error) {
	set := make(map[string]struct{})
	for _, a := range audiences {
		set[a] = struct{}{}
	}
	c, err := parseClaims(b, set)
	return ParsedClaims{
		Iss: string(c.iss), Jti: string(c.jti), Iat: int64(c.iat), Exp: int64(c.exp), Nbf: int64(c.nbf),
		HasIss: c.has&hasIss != 0, HasAud: c.has&hasAud != 0, HasIat: c.has&hasIat != 0,
		HasExp: c.has&hasExp != 0, HasNbf: c.has&hasNbf != 0, HasJti: c.has&hasJti != 0,
		AudienceAccepted: c.audience,
	}, err
}

func ParseHeader(b []byte) (alg, kid string, critical bool, err error) {
	h, err := parseHeader(b)
	return string(h.alg), string(h.kid), h.critical, err
}

func SplitJWT(jwt string) (header, claims, signature []byte, err error) {
	c, err := splitJWT(jwt)
	return c.header, c.claims, c.signature, err
}

const MaxDepth = maxDepth

var parseOnlyAudiences = map[string]struct{}{"https://iam.api.cloud.yandex.net/iam/v1/tokens": {}}

// ParseOnly does what a proof does to header and claims, and keeps nothing.
func ParseOnly(h, c []byte) error {
	if _, err := parseHeader(h); err != nil {
		return err
	}
	_, err := parseClaims(c, parseOnlyAudiences)
	return err
}

// DerivedKept is how many derived keys a prover remembers.
func DerivedKept(p *AccessKey) int {
	p.derived.mu.RLock()
	defer p.derived.mu.RUnlock()
	return len(p.derived.all)
}

// CompactTime reads the time of a signature of version 4.
var CompactTime = compactTime
