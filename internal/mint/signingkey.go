package mint

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// purposes are those that the ring keeps.
var purposes = [...]store.SigningPurpose{store.PurposeRoot, store.PurposeFeed, store.PurposeIAM, store.PurposeSession}

func place(purpose store.SigningPurpose, id string) seal.Place {
	return store.SigningKeyPlace(purpose, id)
}

// generate makes a key, sealed, whose times are still to be set.
func (k *Keyring) generate(purpose store.SigningPurpose) (store.SigningKey, error) {
	if purpose == store.PurposeSession {
		return k.generateSessionKey()
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("generate signing key: %w", err)
	}
	id := resource.NewID(resource.PrefixIAM)
	sealed, err := k.config.Box.Seal(place(purpose, id), private.Seed())
	if err != nil {
		return store.SigningKey{}, err
	}
	return store.SigningKey{ID: id, Purpose: purpose, Public: public, Sealed: sealed}, nil
}

// open turns a row into a key that signs. A row whose private half does not
// open, or is not that of the public half, is an error: to publish it would
// let whoever wrote the row make tokens.
func (k *Keyring) open(row *store.SigningKey) (*SigningKey, error) {
	seed, err := k.config.Box.Open(place(row.Purpose, row.ID), row.Sealed)
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	if row.Purpose == store.PurposeSession {
		return openSessionKey(row, seed)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, errors.New("the private half has a wrong length")
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	if subtle.ConstantTimeCompare(public, row.Public) != 1 {
		return nil, errors.New("the public half belongs to another key")
	}
	return &SigningKey{
		ID: row.ID, Public: public, Signer: private,
		CreatedAt: row.CreatedAt, SignsFrom: row.SignsFrom, SignsUntil: row.SignsUntil,
	}, nil
}
