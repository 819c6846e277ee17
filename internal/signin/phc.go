package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/propusk/propusk/internal/iam"
)

// Parameters are the cost of one argon2id hash (RFC 9106).
type Parameters struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// Recommended is the cost of a new hash: 19 MiB, two passes, one lane (OWASP's
// Password Storage Cheat Sheet).
var Recommended = Parameters{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1}

const (
	saltSize = 16
	hashSize = 32

	// What a row may ask of us at most, so that a damaged one cannot take the
	// machine.
	mostMemoryKiB = 256 << 10
	mostPasses    = 16
	mostLanes     = 16
)

// hashed is a hash with everything needed to compute it again.
type hashed struct {
	Parameters
	salt, sum []byte
}

// PHC makes the PHC string of a password at this cost, at once and beside every
// queue: for costs that are next to nothing.
func (p Parameters) PHC(password iam.Secret) string { return p.hash(normal(password)).String() }

func (p Parameters) hash(password string) hashed {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt)
	return hashed{p, salt, p.compute(password, salt, hashSize)}
}

func (p Parameters) compute(password string, salt []byte, size int) []byte {
	return argon2.IDKey([]byte(password), salt, p.Passes, p.MemoryKiB, p.Lanes, uint32(size))
}

func (h hashed) fits(password string) bool {
	return subtle.ConstantTimeCompare(h.compute(password, h.salt, len(h.sum)), h.sum) == 1
}

var phcText = base64.RawStdEncoding.Strict()

// String is the PHC string: $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func (h hashed) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.MemoryKiB, h.Passes, h.Lanes,
		phcText.EncodeToString(h.salt), phcText.EncodeToString(h.sum))
}

var errPHC = errors.New("not a PHC string of argon2id within our limits")

// parsePHC reads what String writes, and nothing else.
func parsePHC(text string) (hashed, error) {
	var h hashed
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) ||
		strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return h, errPHC
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return h, errPHC
	}
	var n [3]uint64
	for i, c := range []struct {
		name        string
		least, most uint64
	}{{"m=", 8, mostMemoryKiB}, {"t=", 1, mostPasses}, {"p=", 1, mostLanes}} {
		digits, ok := strings.CutPrefix(costs[i], c.name)
		v, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(v, 10) != digits || v < c.least || v > c.most {
			return h, errPHC
		}
		n[i] = v
	}
	h.Parameters = Parameters{MemoryKiB: uint32(n[0]), Passes: uint32(n[1]), Lanes: uint8(n[2])}
	var err1, err2 error
	h.salt, err1 = phcText.DecodeString(parts[4])
	h.sum, err2 = phcText.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.sum) < 16 || len(h.sum) > 64 {
		return hashed{}, errPHC
	}
	return h, nil
}
