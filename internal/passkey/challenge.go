package passkey

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// Challenges are what authenticators sign. Whoever opens the sign-in page gets
// one, so nothing is kept of it: it says itself until when it is good and what for,
// under a secret of the installation. That it is answered once the caller sees to,
// by keeping the Lookup of those that were.
type Challenges struct {
	Key []byte
	Now func() time.Time
}

// ChallengeLife is how long a challenge may be answered.
const ChallengeLife = 5 * time.Minute

const (
	challengeRandom = 16 // bytes (section 13.4.3: at least 16)
	challengeSize   = 8 + challengeRandom + sha256.Size
)

var challengeText = base64.RawURLEncoding.Strict()

// New is a challenge for one use: what it is for, and whose, if anybody is known.
func (c Challenges) New(use string) string {
	b := make([]byte, 8+challengeRandom, challengeSize)
	binary.BigEndian.PutUint64(b, uint64(c.Now().Add(ChallengeLife).UnixMilli()))
	_, _ = rand.Read(b[8:])
	return challengeText.EncodeToString(append(b, c.mac(use, b)...))
}

var (
	errForeignChallenge = errors.New("the challenge is none of ours, or was made for something else")
	// ErrLate says that a challenge was one of ours and has expired.
	ErrLate = errors.New("the challenge has expired")
)

// Check tells until when a challenge of a use is good.
func (c Challenges) Check(text, use string) (time.Time, error) {
	b, err := challengeText.DecodeString(text)
	if err != nil || len(b) != challengeSize {
		return time.Time{}, errForeignChallenge
	}
	head := b[:8+challengeRandom]
	if !hmac.Equal(b[len(head):], c.mac(use, head)) {
		return time.Time{}, errForeignChallenge
	}
	end := time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
	if !c.Now().Before(end) {
		return time.Time{}, ErrLate
	}
	return end, nil
}

// Lookup is what an answered challenge is remembered by.
func Lookup(challenge string) string {
	sum := sha256.Sum256([]byte(challenge))
	return hex.EncodeToString(sum[:])
}

func (c Challenges) mac(use string, head []byte) []byte {
	m := hmac.New(sha256.New, c.Key)
	m.Write(head)
	m.Write([]byte(use))
	return m.Sum(nil)
}
