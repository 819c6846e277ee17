package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	recoveryCodes    = 10
	recoveryLength   = 16 // characters of five bits: 80 in all, too many to try even with the hash at hand
	recoveryAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"
)

// NewRecoveryCodes are ten codes, each good for one second factor, and what is
// kept of them; see RecoveryHash.
func NewRecoveryCodes(userID string) (codes, hashes []string) {
	for range recoveryCodes {
		var raw [recoveryLength]byte
		_, _ = rand.Read(raw[:])
		var b strings.Builder
		for i, r := range raw {
			if i > 0 && i%4 == 0 {
				b.WriteByte('-')
			}
			b.WriteByte(recoveryAlphabet[r%32])
		}
		codes, hashes = append(codes, b.String()), append(hashes, RecoveryHash(userID, b.String()))
	}
	return codes, hashes
}

var likeRecovery = strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1")

// RecoveryHash is what is kept of a person's recovery code. Letter case, hyphens
// and spaces do not matter, and neither do letters that look like digits.
func RecoveryHash(userID, code string) string {
	sum := sha256.Sum256([]byte(userID + "/" + likeRecovery.Replace(strings.ToLower(code))))
	return hex.EncodeToString(sum[:])
}
