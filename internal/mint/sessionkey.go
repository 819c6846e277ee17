package mint

import (
	"crypto/rand"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/temporary"
)

// generateSessionKey makes a session key, sealed, whose times are still to be set.
func (k *Keyring) generateSessionKey() (store.SigningKey, error) {
	var secret [temporary.KeySize]byte
	defer clear(secret[:])
	_, _ = rand.Read(secret[:]) // crypto/rand.Read never fails: it ends the program instead
	id := resource.NewID(resource.PrefixIAM)
	sealed, err := k.config.Box.Seal(place(store.PurposeSession, id), secret[:])
	if err != nil {
		return store.SigningKey{}, err
	}
	return store.SigningKey{ID: id, Purpose: store.PurposeSession, Sealed: sealed}, nil
}

func openSessionKey(row *store.SigningKey, secret []byte) (*SigningKey, error) {
	if len(row.Public) != 0 {
		return nil, errors.New("a session key has no public half")
	}
	key, err := temporary.NewKey(row.ID, secret)
	if err != nil {
		return nil, err
	}
	return &SigningKey{ID: row.ID, CreatedAt: row.CreatedAt, SignsFrom: row.SignsFrom, SignsUntil: row.SignsUntil, session: key}, nil
}

// OpenSession reads a session token that a key of this ring made while it might,
// and derives the secret that belongs to it. It looks neither at the end of the
// session nor at what ended it early. Errors are temporary.ErrMalformed: one for
// an unknown key and for an altered token.
func (k *Keyring) OpenSession(text string) (*temporary.Session, iam.Secret, error) {
	id, err := temporary.KeyOf(text)
	if err != nil {
		return nil, iam.Secret{}, err
	}
	for _, key := range k.held.Load().session {
		if key.ID != id {
			continue
		}
		session, secret, err := key.session.Parse(text)
		if err != nil {
			return nil, iam.Secret{}, err
		}
		if !key.madeAt(session.IssuedAt) {
			return nil, iam.Secret{}, temporary.ErrMalformed
		}
		return session, secret, nil
	}
	return nil, iam.Secret{}, temporary.ErrMalformed
}

// madeAt is signsAt for a time in whole milliseconds.
func (k *SigningKey) madeAt(issued time.Time) bool {
	at := issued.UnixMilli()
	return at >= k.SignsFrom.UnixMilli() && (k.SignsUntil.IsZero() || at <= k.SignsUntil.UnixMilli())
}

// SessionKeys are the ids and windows of the keys that session tokens are made
// with, in the order in which they begin to.
func (k *Keyring) SessionKeys() []SigningKey {
	keys := k.held.Load().session
	out := make([]SigningKey, len(keys))
	for i, key := range keys {
		out[i] = SigningKey{ID: key.ID, CreatedAt: key.CreatedAt, SignsFrom: key.SignsFrom, SignsUntil: key.SignsUntil}
	}
	return out
}
