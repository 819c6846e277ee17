package signin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // what authenticator apps understand (RFC 6238, section 1.2)
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const (
	totpStep   = 30 * time.Second
	totpDigits = 6
	totpDrift  = 1  // steps that a clock may be wrong by, either way
	totpSecret = 20 // bytes (RFC 4226, section 4, R6: 160 bits are recommended)
)

var totpText = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewTOTPSecret is a fresh secret for an authenticator app: 20 bytes.
func NewTOTPSecret() []byte {
	secret := make([]byte, totpSecret)
	_, _ = rand.Read(secret)
	return secret
}

// TOTPText is a secret as people type it.
func TOTPText(secret []byte) iam.Secret { return iam.NewSecret(totpText.EncodeToString(secret)) }

// TOTPURL is what a QR code says: who issued the secret, for whom. Apps want the
// issuer twice and understand no "+".
func TOTPURL(issuer, login string, secret []byte) iam.Secret {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return iam.NewSecret("otpauth://totp/" + escape(issuer) + ":" + escape(login) + "?secret=" + totpText.EncodeToString(secret) +
		"&issuer=" + escape(issuer) + "&algorithm=SHA1&digits=6&period=30")
}

// TOTPStepOf finds the step of RFC 6238 whose code this is, among those near a
// time. Spaces in the code do not matter. The caller sees to it that no step is
// used twice: store.UseTOTPStep.
func TOTPStepOf(secret []byte, code string, now time.Time) (step int64, ok bool) {
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\u00a0' {
			return -1
		}
		return r
	}, code)
	current := now.Unix() / int64(totpStep/time.Second)
	for s := current - totpDrift; s <= current+totpDrift; s++ { // all of them, whichever fits
		if subtle.ConstantTimeCompare([]byte(totpCode(secret, s)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// totpCode is the code of a step (RFC 4226, section 5.3).
func totpCode(secret []byte, step int64) string {
	m := hmac.New(sha1.New, secret)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	m.Write(counter[:])
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000)
}
