package credential

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/pss"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/token"
)

// Keys is what a JWT's proof reads besides the account.
type Keys interface {
	Accounts
	// Key is an authorized key with its public half parsed.
	Key(ctx context.Context, id string) (*replica.AuthorizedKey, error)
}

// JWTKeyConfig is what JWTKey needs to know.
type JWTKeyConfig struct {
	Reads     Keys
	Audiences []string      // compared byte by byte; at least one
	Skew      time.Duration // allowance for clocks that differ: 0 means 60 s, a negative one none
	MaxLife   time.Duration // of a JWT, exp − iat: 0 means 3600 s
	MaxIDs    int           // how many "jti" are remembered at once: 0 means 262,144
	Now       func() time.Time
}

// JWTKey proves a service account by a JWT that one of its authorized keys
// signed: PS256 (RFC 7518 section 3.5) and nothing else, whatever the header
// asks for. It is safe for use by many goroutines.
type JWTKey struct {
	reads     Keys
	audiences map[string]struct{}
	skew      time.Duration
	maxLife   time.Duration
	used      *usedIDs
	now       func() time.Time
}

// NewJWTKey checks a config and makes the prover.
func NewJWTKey(c JWTKeyConfig) (*JWTKey, error) {
	if c.Reads == nil || c.Now == nil {
		return nil, errors.New("credential: JWTKeyConfig needs Reads and Now")
	}
	if len(c.Audiences) == 0 {
		return nil, errors.New("credential: JWTKeyConfig needs an audience")
	}
	p := &JWTKey{
		reads: c.Reads, audiences: make(map[string]struct{}, len(c.Audiences)),
		skew: c.Skew, maxLife: c.MaxLife, now: c.Now,
	}
	for _, a := range c.Audiences {
		if a == "" {
			return nil, errors.New("credential: an audience is empty")
		}
		p.audiences[a] = struct{}{}
	}
	switch {
	case p.skew == 0:
		p.skew = time.Minute
	case p.skew < 0:
		p.skew = 0
	case p.skew > time.Hour:
		return nil, fmt.Errorf("credential: a clock skew of %v is more than an hour", p.skew)
	}
	if p.maxLife == 0 {
		p.maxLife = time.Hour
	}
	if p.maxLife < time.Second || p.maxLife > 12*time.Hour {
		return nil, fmt.Errorf("credential: a JWT life of %v is not between 1 s and 12 h", p.maxLife)
	}
	p.used = newUsedIDs(c.MaxIDs)
	return p, nil
}

// Prove checks a JWT and returns the service account that signed it. Sizes,
// algorithm, times, audience, key, account named, signature and account state
// are checked in this order; only a caller whose signature verified is told
// anything about an account.
//
// A JWT without "jti" may be proved any number of times until it expires; one
// with "jti" once on this node, so call Prove once for a request. It fails with
// UNAUTHENTICATED, with RESOURCE_EXHAUSTED when too many "jti" are remembered,
// or as the reads fail.
func (p *JWTKey) Prove(ctx context.Context, jwt string) (*Identity, error) {
	if given := kindOf(jwt); given != "" && given != kindJWT {
		return nil, errNotJWT(given)
	}
	c, err := splitJWT(jwt)
	if err != nil {
		return nil, err
	}
	h, err := p.checkHeader(c.header)
	if err != nil {
		return nil, err
	}
	cl, err := parseClaims(c.claims, p.audiences)
	if err != nil {
		return nil, err
	}
	now := p.now()
	if err := p.checkClaims(&cl, now); err != nil {
		return nil, err
	}
	position := p.reads.Position() // before the rows: what changes after it ends the token
	key, err := p.findKey(ctx, string(h.kid))
	if err != nil {
		return nil, err
	}
	digest, err := verifySignature(key.Public, jwt, c, key.ServiceAccountID == string(cl.iss))
	if err != nil {
		return nil, err
	}
	account, err := activeAccount(ctx, p.reads, key.ServiceAccountID, now)
	if err != nil {
		return nil, err
	}
	ancestors, err := p.reads.Ancestors(ctx, account.ID)
	if err != nil {
		return nil, goneOr(err, errDeleted(account.ID))
	}
	if cl.has&hasJti != 0 {
		if err := p.used.take(key.ID, string(cl.jti), now, time.Unix(0, int64(cl.exp)).Add(p.skew)); err != nil {
			return nil, err
		}
	}
	at := homeOf(ancestors)
	depends := make([]token.Dependency, 0, 5)
	depends = append(depends, token.Dependency{Kind: token.KindCredential, ID: key.ID}, token.Dependency{Kind: token.KindSubject, ID: account.ID})
	return &Identity{
		Subject:        iam.Subject{ID: iam.SubjectID(account.ID), Type: iam.TypeServiceAccount},
		OrganizationID: at.organization, CloudID: at.cloud, FolderID: at.folder,
		How: HowJWT, CredentialID: key.ID, JWTDigest: digest,
		Position: position, NotAfter: account.ExpiresAt, DependsOn: at.dependencies(depends),
	}, nil
}

func (p *JWTKey) checkHeader(b []byte) (header, error) {
	h, err := parseHeader(b)
	switch {
	case err != nil:
		return h, err
	case string(h.alg) != "PS256":
		return h, errAlgorithm
	case h.critical:
		return h, errCritical // RFC 7515 section 4.1.11: not understood, so refused
	case len(h.kid) == 0:
		return h, errNoKid
	}
	return h, nil
}

// checkClaims judges presence, times and audience.
func (p *JWTKey) checkClaims(c *claims, at time.Time) error {
	now := instant(at.UnixNano())
	switch {
	case c.has&hasIss == 0:
		return errNoIss
	case c.has&hasIat == 0:
		return errNoIat
	case c.has&hasExp == 0:
		return errNoExp
	case c.has&hasAud == 0:
		return errNoAud
	case c.has&hasJti != 0 && len(c.jti) == 0:
		return errEmptyID
	case c.exp <= c.iat:
		return errBackwards
	case c.exp > c.iat.add(p.maxLife):
		return errLife(p.maxLife)
	case c.exp.add(p.skew) <= now: // RFC 7519 section 4.1.4: on or after
		return errExpired(at)
	case c.iat > now.add(p.skew):
		return errFuture("iat", at)
	case c.has&hasNbf != 0 && c.nbf > now.add(p.skew):
		return errFuture("nbf", at)
	case !c.audience:
		return errAudience
	}
	return nil
}

// findKey looks a key up. What cannot be an id is not looked up, so that no
// caller makes the store read ten kilobytes of nonsense.
func (p *JWTKey) findKey(ctx context.Context, id string) (*replica.AuthorizedKey, error) {
	if !legalKeyID(id) {
		return nil, errUnknownKey
	}
	key, err := p.reads.Key(ctx, id)
	if err != nil {
		return nil, goneOr(err, errUnknownKey)
	}
	return key, nil
}

func legalKeyID(id string) bool {
	if len(id) > token.MaxID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return id != ""
}

// verifySignature checks PS256 with any salt length that the key allows, and
// returns the JWT's digest. While the signature is unproved, a key of another
// account is as good as unknown.
func verifySignature(key *pss.Key, jwt string, c compact, sameAccount bool) (string, error) {
	digest := sha256.Sum256([]byte(c.signed))
	good := key.Verify(&digest, c.signature)
	switch {
	case !good && sameAccount:
		return "", errSignature
	case !good:
		return "", errUnknownKey
	case !sameAccount:
		return "", errOtherAccount
	}
	whole := sha256.Sum256([]byte(jwt))
	return hex.EncodeToString(whole[:16]), nil
}

// activeAccount reads a service account that may act now.
func activeAccount(ctx context.Context, reads Accounts, id string, now time.Time) (*iam.ServiceAccount, error) {
	account, err := reads.ServiceAccount(ctx, id)
	switch {
	case err != nil:
		return nil, goneOr(err, errDeleted(id))
	case account.StatusAt(now) == iam.ServiceAccountActive:
		return account, nil
	case account.Status == iam.ServiceAccountActive:
		return nil, errAccountExpired(id)
	default:
		return nil, errSuspended(id)
	}
}

// goneOr answers a miss with a refusal and leaves every other failure as it is.
func goneOr(err error, refusal *iam.Error) error {
	if errors.Is(err, iam.NotFound) {
		return refusal
	}
	return err
}
