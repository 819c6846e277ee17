// Package mint makes IAM tokens and temporary access keys, and owns the keys
// that sign what this installation publishes: IAM tokens, the revocation feed,
// and the root that certifies the feed's keys; and those that session tokens
// are made with, which stay inside. Private halves are sealed at rest and leave
// the ring only as crypto.Signer. Who deserves a token is decided elsewhere.
package mint

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

// KeyringConfig is what a keyring needs; zero durations mean the defaults.
type KeyringConfig struct {
	DB  *store.DB
	Box *seal.Box
	Now func() time.Time

	// PublishLead is how long a new key is published before it signs: longer
	// than any verifier may be stale. Default 2 min.
	PublishLead time.Duration
	// Overlap is how long an old key may still sign after the new one has
	// begun, for a node that has not heard of it. Default 15 min.
	Overlap time.Duration
	// RotateEvery is the age at which Run replaces a key. Default 30 days.
	RotateEvery time.Duration
	// Record, if set, is called in the transaction that replaces a key by age
	// or on demand, with the id of the new one.
	Record func(tx *store.Tx, keyID string) error
	// Report, if set, is called by Run with what it failed to do.
	Report func(error)
}

// SigningKey is a key that the ring can use. Its window has both ends included.
type SigningKey struct {
	ID         string
	Public     ed25519.PublicKey
	Signer     crypto.Signer
	CreatedAt  time.Time
	SignsFrom  time.Time
	SignsUntil time.Time // zero: open

	session *temporary.Key // instead of Public and Signer: makes session tokens
}

func (k *SigningKey) signsAt(now time.Time) bool {
	return !now.Before(k.SignsFrom) && (k.SignsUntil.IsZero() || !now.After(k.SignsUntil))
}

// Keyring holds the signing keys of an installation as the store last had
// them. It is safe for use by many goroutines.
type Keyring struct {
	config       KeyringConfig
	installation string
	held         atomic.Pointer[ring]
	certified    atomic.Pointer[certified]
	notice       chan struct{}

	mu        sync.Mutex // one reload at a time, so the newest snapshot wins
	observers []func([]token.PublicKey)
}

// ring is one reading of the table: trusted keys, in the order in which they
// begin to sign.
type ring struct {
	iam, feed, root []*SigningKey
	session         []*SigningKey
}

// current is the key that began to sign last and still may.
func current(keys []*SigningKey, now time.Time) *SigningKey {
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].signsAt(now) {
			return keys[i]
		}
	}
	return nil
}

// OpenKeyring reads the installation's keys and, on the first start, makes its
// id and its first keys, which may sign at once as nobody has an older key set.
// It fails when a key does not open under the master keys held.
func OpenKeyring(ctx context.Context, c KeyringConfig) (*Keyring, error) {
	if c.DB == nil || c.Box == nil || c.Now == nil {
		return nil, errors.New("mint: KeyringConfig needs DB, Box and Now")
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&c.PublishLead, 2 * time.Minute}, {&c.Overlap, 15 * time.Minute}, {&c.RotateEvery, 30 * 24 * time.Hour}} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if *d.value < 0 {
			return nil, errors.New("mint: KeyringConfig has a negative duration")
		}
	}
	if c.RotateEvery < c.PublishLead {
		return nil, errors.New("mint: RotateEvery is shorter than PublishLead")
	}
	if c.Record == nil {
		c.Record = func(*store.Tx, string) error { return nil }
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	k := &Keyring{config: c, notice: make(chan struct{}, 1)}
	if err := k.found(ctx); err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if err := k.Reload(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// Installation is the id of this installation, made once.
func (k *Keyring) Installation() string { return k.installation }

// Current is the key that signs IAM tokens now: UNAVAILABLE when there is none.
func (k *Keyring) Current(now time.Time) (*SigningKey, error) {
	return orNone(current(k.held.Load().iam, now))
}

func orNone(key *SigningKey) (*SigningKey, error) {
	if key == nil {
		e := iam.Errorf(iam.Unavailable, "No signing key may sign at this time")
		e.Reason = "no_signing_key"
		return nil, e
	}
	return key, nil
}

// PublicKeys are the keys that verify IAM tokens: those that signed, sign or
// will sign, without the distrusted, as long as a token of theirs may live.
func (k *Keyring) PublicKeys() []token.PublicKey { return publicKeys(k.held.Load().iam) }

func publicKeys(keys []*SigningKey) []token.PublicKey {
	public := make([]token.PublicKey, len(keys))
	for i, key := range keys {
		public[i] = token.PublicKey{ID: key.ID, Key: key.Public, SignsFrom: key.SignsFrom, SignsUntil: key.SignsUntil}
	}
	return public
}

// Observe sets a function that is called with the public keys whenever they
// are read anew, before any of them signs. It must not call the keyring.
func (k *Keyring) Observe(f func([]token.PublicKey)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.observers = append(k.observers, f)
}

// Notice tells the ring what the change feed says, nil when history was lost;
// Run reads the keys anew when they may have changed. It never blocks.
func (k *Keyring) Notice(entries []store.Entry) {
	if entries == nil {
		k.wake()
		return
	}
	for _, e := range entries {
		for _, c := range e.Changes {
			if c.Kind == store.ChangeSigningKeys {
				k.wake()
				return
			}
		}
	}
}

func (k *Keyring) wake() {
	select {
	case k.notice <- struct{}{}:
	default:
	}
}

// Reload reads the keys from the store. When it fails the ring stays as it was,
// but for this: while a master key is missing here, what was opened before goes
// on with the times that its row has now, and what was distrusted leaves.
func (k *Keyring) Reload(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var rows []*store.SigningKey
	err := k.config.DB.View(ctx, func(tx *store.Tx) error {
		rows = nil
		for _, purpose := range purposes {
			list, err := store.ListSigningKeys(tx, purpose)
			if err != nil {
				return err
			}
			rows = append(rows, list...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	r := &ring{}
	var missing error
	for _, row := range rows {
		if !row.DistrustedAt.IsZero() {
			continue
		}
		key, err := k.open(row)
		if errors.Is(err, seal.ErrUnknownKey) {
			if missing == nil {
				missing = fmt.Errorf("keyring: signing key %s: %w", row.ID, err)
			}
			if key = k.held.Load().again(row); key == nil {
				continue
			}
		} else if err != nil {
			return fmt.Errorf("keyring: signing key %s: %w", row.ID, err)
		}
		switch row.Purpose {
		case store.PurposeIAM:
			r.iam = append(r.iam, key)
		case store.PurposeFeed:
			r.feed = append(r.feed, key)
		case store.PurposeRoot:
			r.root = append(r.root, key)
		case store.PurposeSession:
			r.session = append(r.session, key)
		}
	}
	for _, observe := range k.observers {
		observe(publicKeys(r.iam))
	}
	k.held.Store(r)
	return missing
}

// again is a key that was opened before, with the times of its row; nil when
// there is none.
func (r *ring) again(row *store.SigningKey) *SigningKey {
	if r == nil {
		return nil
	}
	for _, keys := range [...][]*SigningKey{r.iam, r.feed, r.root, r.session} {
		for _, key := range keys {
			if key.ID == row.ID && bytes.Equal(key.Public, row.Public) {
				out := *key
				out.SignsFrom, out.SignsUntil = row.SignsFrom, row.SignsUntil
				return &out
			}
		}
	}
	return nil
}
