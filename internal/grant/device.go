package grant

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Times of device codes (RFC 8628 section 3.2).
const (
	// DeviceLife is how long a person has to answer.
	DeviceLife = 10 * time.Minute
	// DeviceInterval is what a machine leaves between two questions at first.
	DeviceInterval = 5 * time.Second
	// DeviceSlower is by how much that grows for good when it asks too early
	// (RFC 8628 section 3.5).
	DeviceSlower = 5 * time.Second
	// DeviceKept is how long after its end a code is still called expired, and
	// not unknown.
	DeviceKept = time.Hour
	// deviceEarly forgives a question that the network has carried faster than
	// the one before it.
	deviceEarly = time.Second
	// slowest is as long as a machine is ever told to wait. To one that asks more
	// often still nothing more happens.
	slowest = 2 * time.Minute
)

const devicePrefix = "dc1."

// NewDeviceCode is a fresh device code of 256 random bits, and what it is found
// by; see iam.DeviceCode.
func NewDeviceCode() (code iam.Secret, lookup string) {
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	text := devicePrefix + base64.RawURLEncoding.EncodeToString(raw[:])
	return iam.NewSecret(text), DeviceCodeLookup(text)
}

// DeviceCodeLookup is what a device code is found by.
func DeviceCodeLookup(text string) string { return lookupOf(text) }

// A user code is eight of twenty letters, 34 bits: no vowels, which would make
// words, and no digits, which would be taken for letters (RFC 8628
// section 6.1). It may be typed without its hyphen and in small letters.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
	userCodeHalf    = userCodeLength / 2
)

// UserCodes are what people type. So few bits are found by trying from what is
// stored, so that is made with a key.
type UserCodes struct{ Key []byte }

// New draws a user code, as it is shown, and what it is found by.
func (u UserCodes) New() (shown, lookup string) {
	letters := make([]byte, 0, userCodeLength)
	var raw [2 * userCodeLength]byte
	for len(letters) < userCodeLength {
		_, _ = rand.Read(raw[:])
		for _, b := range raw {
			// The bytes behind the last whole multiple would favour some letters.
			if most := 256 - 256%len(userCodeLetters); int(b) < most && len(letters) < userCodeLength {
				letters = append(letters, userCodeLetters[int(b)%len(userCodeLetters)])
			}
		}
	}
	return showUserCode(letters), u.lookup(letters)
}

// Read takes what a person has typed: the code as devices show it, and what it is
// found by. False for what is no user code.
func (u UserCodes) Read(typed string) (shown, lookup string, ok bool) {
	letters := make([]byte, 0, userCodeLength)
	for _, r := range typed {
		switch {
		case r == ' ' || r == '-' || r == '\u00a0' || r >= '\u2010' && r <= '\u2015': // as copying and phones have it
			continue
		case r >= 'a' && r <= 'z':
			r += 'A' - 'a'
		}
		if len(letters) == userCodeLength || r > 'Z' || !strings.ContainsRune(userCodeLetters, r) {
			return "", "", false
		}
		letters = append(letters, byte(r))
	}
	if len(letters) != userCodeLength {
		return "", "", false
	}
	return showUserCode(letters), u.lookup(letters), true
}

func showUserCode(letters []byte) string {
	return string(letters[:userCodeHalf]) + "-" + string(letters[userCodeHalf:])
}

func (u UserCodes) lookup(letters []byte) string {
	m := hmac.New(sha256.New, u.Key)
	m.Write([]byte("a device's user code\x00"))
	m.Write(letters)
	return hex.EncodeToString(m.Sum(nil))
}

// PollDevice judges a machine's question for its token: no error when a person has
// let it in, otherwise one of RFC 8628's, section 3.5. It changes what the next
// question is judged by, Wait and PolledAt; writes tells whether the caller has to
// keep d, which is so also when it fails.
func PollDevice(d *iam.DeviceCode, now time.Time) (writes bool, err error) {
	switch {
	case !now.Before(d.ExpiresAt):
		return false, iam.OAuthError(iam.OAuthExpiredToken, "The device code has expired: ask for another one")
	case !d.DecidedAt.IsZero() && d.GrantID == "":
		return false, iam.OAuthError(iam.OAuthAccessDenied, "The person has refused")
	case !d.DecidedAt.IsZero():
		return false, nil
	}
	early := !d.PolledAt.IsZero() && now.Sub(d.PolledAt) < d.Wait-deviceEarly
	if !early {
		d.PolledAt = now
		return true, iam.OAuthError(iam.OAuthAuthorizationPending, "Nobody has answered yet")
	}
	if writes = d.Wait < slowest; writes {
		d.PolledAt, d.Wait = now, min(d.Wait+DeviceSlower, slowest)
	}
	return writes, iam.OAuthError(iam.OAuthSlowDown, "Too early: from now on at least %d seconds have to pass between two questions", int64(d.Wait/time.Second))
}

// Guesses are wrong user codes that one person has typed.
type Guesses struct {
	Count        int
	LastAt       time.Time
	BlockedUntil time.Time
}

const (
	// mostGuesses is how many wrong ones a person has in an hour: with a thousand
	// live codes, 250,000 people at it for an hour find one in ten times.
	mostGuesses = 10
	guessesKept = time.Hour
)

// Blocked tells how long a person has to wait before he may try another code;
// zero: he may now.
func (g Guesses) Blocked(now time.Time) time.Duration { return max(0, g.BlockedUntil.Sub(now)) }

// Wrong counts one more.
func (g Guesses) Wrong(now time.Time) Guesses {
	if now.Sub(g.LastAt) >= guessesKept {
		g.Count = 0
	}
	g.Count++
	g.LastAt, g.BlockedUntil = now, time.Time{}
	if g.Count >= mostGuesses {
		g.BlockedUntil = now.Add(guessesKept)
	}
	return g
}
