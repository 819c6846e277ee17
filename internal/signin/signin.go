// Package signin owns how a person shows who he is: passwords and how slowly
// they may be tried, authenticator apps, recovery codes, and the tickets that
// lead from one step to the next. What it promises: a password is kept only as a
// hash that costs memory and time to try; trying one costs the same whether the
// login exists or not, and is counted before it is judged, so that no number of
// requests at once buys more guesses; hashing never takes more than its share of
// the machine; and what can be used once is used once, on however many nodes.
//
// It makes no session and no token, and keeps no row outside the store.
package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Clock tells the time.
type Clock func() time.Time

// NewTicket is a fresh secret of 256 bits that a person goes on with, and what
// it is found by; see iam.Ticket.
func NewTicket() (iam.Secret, string) {
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	text := base64.RawURLEncoding.EncodeToString(raw[:])
	return iam.NewSecret(text), TicketLookup(text)
}

// TicketLookup is what a ticket is found by.
func TicketLookup(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
