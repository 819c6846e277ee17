package signin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

const (
	// lettersToMailbox may go to a mailbox in lettersPeriod because strangers have
	// asked for them.
	lettersToMailbox = 3
	lettersPeriod    = time.Hour
)

// AdmitLetter counts a letter about something that somebody who has shown nothing
// wants sent to a mailbox, for all nodes, and tells whether it may be: three an
// hour, and so that letters about one thing keep nobody from those about another.
// Addresses that differ in capitals, or in what stands behind a +, count as one
// mailbox. What is kept is a MAC of the address.
func (p *Passwords) AdmitLetter(tx *store.Tx, about, mailbox string) (bool, error) {
	mailbox = iam.CanonicalEmail(mailbox)
	if local, domain, ok := strings.Cut(mailbox, "@"); ok {
		if base, _, tagged := strings.Cut(local, "+"); tagged && base != "" {
			mailbox = base + "@" + domain
		}
	}
	m := hmac.New(sha256.New, p.Key)
	m.Write([]byte("letters to a mailbox\x00" + about + "\x00" + mailbox))
	id := "letters/" + hex.EncodeToString(m.Sum(nil)[:16])
	a, err := store.HoldAttempts(tx, id)
	if err != nil {
		return false, err
	}
	now := tx.Now()
	if !now.Before(a.BlockedUntil) { // where the period ends, not what blocks
		a.Count, a.BlockedUntil = 0, now.Add(lettersPeriod)
	}
	if a.Count >= lettersToMailbox {
		return false, nil
	}
	a.Count++
	a.LastAt = now
	return true, store.SetAttempts(tx, id, a)
}

// HashForStranger is Hash of what somebody at an address chooses who has shown
// nothing yet, among the others there.
func (p *Passwords) HashForStranger(ctx context.Context, address string, password iam.Secret) (string, error) {
	return hashAt(ctx, password, func() (*Place, error) { return p.Hasher.EnterFrom(address) })
}

// FindPerson returns whom a text names that a stranger has typed: a login or an
// e-mail address. NOT_FOUND for nobody.
func FindPerson(tx *store.Tx, text string) (*iam.UserAccount, error) {
	return store.GetUserAccountByLogin(tx, typed(text))
}
