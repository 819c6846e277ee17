package grant

import (
	"crypto"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const (
	// proofSkew is how far a proof's time may be from this server's: proofs are
	// made for one request (RFC 9449 section 11.1).
	proofSkew = time.Minute
	// MaxProof is the longest proof that is looked at, in bytes. One with an RSA
	// key of 4,096 bits takes 2 kB.
	MaxProof = 8000
	// mostProofs bounds what is remembered of used proofs: one takes about 100
	// bytes. Who would make so many in two minutes is told to wait.
	mostProofs = 50_000
	mostID     = 256 // characters of jti
)

// DPoP checks proofs of possession (RFC 9449 section 4.3). It is safe for use by
// many goroutines. Now is required.
type DPoP struct {
	Now func() time.Time

	mu   sync.Mutex
	used map[[32]byte]int64 // until when a proof would be taken again, in Unix seconds
	next int64              // when used is gone through again
}

// Prove checks a proof that came with a request to an address, and returns the
// thumbprint of its key (RFC 7638). A proof is good once. It fails with
// invalid_dpop_proof, and with RESOURCE_EXHAUSTED when so many came that they
// cannot be told apart.
func (d *DPoP) Prove(proof, method, url string) (thumbprint string, err error) {
	p, err := parseProof(proof)
	if err != nil {
		return "", err
	}
	now := d.Now()
	switch {
	case p.method != method:
		return "", badProof("'htm' names another method than that of the request")
	case !sameTarget(p.url, url):
		return "", badProof("'htu' names another address than that of the request")
	case p.issued.Before(now.Add(-proofSkew)) || p.issued.After(now.Add(proofSkew)):
		return "", badProof("'iat' is more than %d seconds from the time of the server", int64(proofSkew/time.Second))
	}
	if !p.key.verify(p.signed, p.signature) {
		return "", badProof("the signature does not match the key in the header")
	}
	thumbprint = p.key.thumbprint()
	return thumbprint, d.once(thumbprint, p.id, p.issued.Add(proofSkew), now)
}

// once takes a proof that was not there before.
func (d *DPoP) once(thumbprint, id string, until, now time.Time) error {
	key := sha256Of(thumbprint + " " + id)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used == nil {
		d.used = map[[32]byte]int64{}
	}
	if now.Unix() >= d.next {
		for k, end := range d.used {
			if end < now.Unix() {
				delete(d.used, k)
			}
		}
		d.next = now.Add(proofSkew / 6).Unix()
	}
	if _, again := d.used[key]; again {
		return badProof("it has been used already: each request needs one of its own")
	}
	if len(d.used) >= mostProofs {
		return &iam.Error{Kind: iam.ResourceExhausted, Reason: "dpop_busy", Message: "Too many proofs of possession come in at once: try again in a minute",
			RetryAfter: proofSkew}
	}
	d.used[key] = until.Unix()
	return nil
}

func badProof(format string, args ...any) error {
	return iam.OAuthError(iam.OAuthInvalidDPoPProof, "The DPoP proof is refused: "+format, args...)
}

// publicKey is the key of a proof.
type publicKey struct {
	algorithm string
	key       crypto.PublicKey
	canonical string // RFC 7638 section 3
}

func (k *publicKey) thumbprint() string {
	sum := sha256Of(k.canonical)
	return secretText.EncodeToString(sum[:])
}
