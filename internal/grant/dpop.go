package grant

import (
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"strings"
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
	used map[[32]byte]use
	next int64 // when used is gone through again, in Unix seconds
}

// use is that of a proof.
type use struct {
	until int64  // it would be taken again, in Unix seconds
	call  uint64 // a hash of what the call is known by
}

// Prove checks a proof that came with a request to an address, and returns the
// thumbprint of its key (RFC 7638). A proof is good for one call, which is known
// by what this server has drawn for it, and may show it again: some calls are
// walked twice. Neither other servers nor the next start of this one know of it;
// see ProofLookup. It fails with invalid_dpop_proof, and with RESOURCE_EXHAUSTED
// when so many came that they cannot be told apart.
func (d *DPoP) Prove(call, proof, method, url string) (thumbprint string, err error) {
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
	return thumbprint, d.once(call, thumbprint+" "+p.id, p.issued.Add(proofSkew), now)
}

// once takes a proof that was not there before, or in the same call.
func (d *DPoP) once(call, proof string, until, now time.Time) error {
	key, by := sha256Of(proof), sha256Of(call)
	this := use{until.Unix(), binary.BigEndian.Uint64(by[:])}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used == nil {
		d.used = map[[32]byte]use{}
	}
	if now.Unix() >= d.next {
		for k, u := range d.used {
			if u.until < now.Unix() {
				delete(d.used, k)
			}
		}
		d.next = now.Add(proofSkew / 6).Unix()
	}
	if before, again := d.used[key]; again {
		if before == this {
			return nil
		}
		return ErrProofUsed
	}
	if len(d.used) >= mostProofs {
		return &iam.Error{Kind: iam.ResourceExhausted, Reason: "dpop_busy", Message: "Too many proofs of possession come in at once: try again in a minute",
			RetryAfter: proofSkew}
	}
	d.used[key] = this
	return nil
}

// ErrProofUsed is the answer to a proof that another call has shown.
var ErrProofUsed = badProof("it has been used already: each request needs one of its own")

// ProofKept is how long after its use a proof might be taken again, by a server
// that does not know of the use and whose clock differs a little.
const ProofKept = 3 * proofSkew

// ProofLookup is by what the use of a proof that was checked is noted for all
// servers: the hash of what is signed, for a signature can be written in more
// than one way.
func ProofLookup(proof string) string {
	sum := sha256Of("key proof " + proof[:strings.LastIndexByte(proof, '.')+1])
	return hex.EncodeToString(sum[:])
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
