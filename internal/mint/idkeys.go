package mint

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// IDLife is how long an ID token lives unless IDRequest.NotAfter shortens it
// [API fact: 1 h].
const IDLife = time.Hour

const (
	idKeyBits = 2048
	// idSlack is how far the clocks of third parties may be behind: so long
	// after its last token's end a key stays published.
	idSlack = 15 * time.Minute
)

// IDKeysConfig is what IDKeys needs; zero durations mean the defaults.
type IDKeysConfig struct {
	DB  *store.DB
	Box *seal.Box
	Now func() time.Time

	// Purpose is what the keys sign: each purpose has a ring of its own. Default
	// store.PurposeID.
	Purpose store.SigningPurpose

	// PublishLead is how long a new key is published before it signs: longer
	// than third parties keep a key set. Default 24 h.
	PublishLead time.Duration
	// Overlap is how long an old key may still sign after the new one has
	// begun, for a node that has not heard of it. Default 15 min.
	Overlap time.Duration
	// RotateEvery is the age at which RotateDue replaces a key. Default 30 days.
	RotateEvery time.Duration
	// Record, if set, is called in the transaction that replaces a key by age
	// or on demand, with the id of the new one.
	Record func(tx *store.Tx, keyID string) error
}

// IDKeys holds the RSA keys that sign ID tokens, or whatever else Purpose says,
// one set for all nodes. The first is made when it is first needed and not before, because making one
// takes up to a second. It is safe for use by many goroutines.
type IDKeys struct {
	config IDKeysConfig
	ids    idSource
	told   atomic.Uint64 // grows whenever what is held may be old
	held   atomic.Pointer[idRing]
	turn   chan struct{} // taken by the one that reads or makes for all
	// spare is the first key while the store has not taken it: anybody can ask
	// for the key set, and making keys is dear. Only the turn's holder uses it.
	spare *rsa.PrivateKey
}

// idRing is one reading of the table: trusted keys, in the order in which they
// begin to sign.
type idRing struct {
	told uint64
	keys []*idKey
}

type idKey struct {
	store.SigningKey
	private *rsa.PrivateKey
}

func (k *idKey) signsAt(now time.Time) bool {
	return !now.Before(k.SignsFrom) && (k.SignsUntil.IsZero() || !now.After(k.SignsUntil))
}

// NewIDKeys makes a ring that has read nothing yet.
func NewIDKeys(c IDKeysConfig) (*IDKeys, error) {
	if c.DB == nil || c.Box == nil || c.Now == nil {
		return nil, errors.New("mint: IDKeysConfig needs DB, Box and Now")
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&c.PublishLead, 24 * time.Hour}, {&c.Overlap, 15 * time.Minute}, {&c.RotateEvery, 30 * 24 * time.Hour}} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if *d.value < 0 {
			return nil, errors.New("mint: IDKeysConfig has a negative duration")
		}
	}
	if c.RotateEvery < c.PublishLead {
		c.RotateEvery = c.PublishLead // or every key would have a successor before it has signed
	}
	if c.Purpose == "" {
		c.Purpose = store.PurposeID
	}
	if c.Record == nil {
		c.Record = func(*store.Tx, string) error { return nil }
	}
	return &IDKeys{config: c, turn: make(chan struct{}, 1)}, nil
}

// Notice tells the ring what the change feed says, nil when history was lost:
// what it holds may be old then, and is read anew before its next use.
func (k *IDKeys) Notice(entries []store.Entry) {
	if entries == nil {
		k.told.Add(1)
		return
	}
	for _, e := range entries {
		for _, c := range e.Changes {
			if c.Kind == store.ChangeSigningKeys {
				k.told.Add(1)
				return
			}
		}
	}
}

// take waits for the turn; what it returns gives it back.
func (k *IDKeys) take(ctx context.Context) (func(), error) {
	select {
	case k.turn <- struct{}{}:
		return func() { <-k.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fresh is what is held when nothing has been told since it was read.
func (k *IDKeys) fresh() *idRing {
	if r := k.held.Load(); r != nil && r.told == k.told.Load() {
		return r
	}
	return nil
}

// ring is the keys as the store has them. With first it makes the first one
// when there is none.
func (k *IDKeys) ring(ctx context.Context, first bool) ([]*idKey, error) {
	if r := k.fresh(); r != nil && (len(r.keys) > 0 || !first) {
		return r.keys, nil
	}
	done, err := k.take(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	r := k.fresh()
	if r == nil {
		if r, err = k.read(ctx); err != nil {
			return nil, err
		}
	}
	if len(r.keys) == 0 && first {
		if err := k.found(ctx); err != nil {
			return nil, err
		}
		if r, err = k.read(ctx); err != nil {
			return nil, err
		}
	}
	return r.keys, nil
}

// read fills what is held. Only the holder of the turn calls it.
func (k *IDKeys) read(ctx context.Context) (*idRing, error) {
	r := &idRing{told: k.told.Load()} // before the look: what is told meanwhile is not in it
	var rows []*store.SigningKey
	err := k.config.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListSigningKeys(tx, k.config.Purpose)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the keys of %s: %w", k.signs(), err)
	}
	for _, row := range rows {
		if !row.DistrustedAt.IsZero() {
			continue
		}
		key, err := k.open(row)
		if errors.Is(err, seal.ErrUnknownKey) {
			if key = k.held.Load().again(row); key == nil {
				// It may be on its way to this node: whoever asks comes again.
				return nil, iam.Wrap(err, iam.Unavailable, "A key of %s is sealed under a master key that this server has yet to get", k.signs())
			}
		} else if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", row.ID, err)
		}
		r.keys = append(r.keys, key)
	}
	k.held.Store(r)
	return r, nil
}

// again is a key that was opened before, with the times of its row; nil when
// there is none.
func (r *idRing) again(row *store.SigningKey) *idKey {
	if r == nil {
		return nil
	}
	for _, key := range r.keys {
		if key.ID == row.ID && bytes.Equal(key.Public, row.Public) {
			return &idKey{SigningKey: *row, private: key.private}
		}
	}
	return nil
}

// open turns a row into a key that signs. As with the other keys, a private
// half that is not that of the public one is an error and nothing to publish.
func (k *IDKeys) open(row *store.SigningKey) (*idKey, error) {
	der, err := k.config.Box.Open(place(row.Purpose, row.ID), row.Sealed)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the private half is no PKCS #8")
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private half is no RSA key")
	}
	public, err := x509.ParsePKIXPublicKey(row.Public)
	if err != nil || !private.PublicKey.Equal(public) {
		return nil, errors.New("the public half belongs to another key")
	}
	return &idKey{SigningKey: *row, private: private}, nil
}

// generate makes a key, sealed, whose times are still to be set. It takes up to
// a second: never within a transaction.
func (k *IDKeys) generate() (store.SigningKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, idKeyBits)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("generate a key of %s: %w", k.signs(), err)
	}
	return k.seal(private)
}

func (k *IDKeys) seal(private *rsa.PrivateKey) (store.SigningKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("generate a key of %s: %w", k.signs(), err)
	}
	defer clear(der)
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("generate a key of %s: %w", k.signs(), err)
	}
	id := resource.NewID(resource.PrefixIAM)
	sealed, err := k.config.Box.Seal(place(k.config.Purpose, id), der)
	if err != nil {
		return store.SigningKey{}, err
	}
	return store.SigningKey{ID: id, Purpose: k.config.Purpose, Public: public, Sealed: sealed}, nil
}

// found makes the first key, which signs at once as nobody has an older key
// set. Of nodes that do it together one wins and the others read its key.
func (k *IDKeys) found(ctx context.Context) error {
	if k.spare == nil {
		private, err := rsa.GenerateKey(rand.Reader, idKeyBits)
		if err != nil {
			return fmt.Errorf("make the first key of %s: %w", k.signs(), err)
		}
		k.spare = private
	}
	fresh, err := k.seal(k.spare)
	if err != nil {
		return err
	}
	err = k.config.DB.Update(ctx, func(tx *store.Tx) error {
		if err := store.LockSigningKeys(tx); err != nil {
			return err
		}
		keys, err := store.ListSigningKeys(tx, k.config.Purpose)
		if err != nil || len(keys) > 0 {
			return err
		}
		return insert(tx, fresh, tx.Now().Add(-headStart))
	})
	if err != nil {
		return fmt.Errorf("make the first key of %s: %w", k.signs(), err)
	}
	k.spare = nil
	k.told.Add(1)
	return nil
}

// signing is the key that began to sign last and still may: UNAVAILABLE when
// there is none.
func (k *IDKeys) signing(ctx context.Context, now time.Time) (*idKey, error) {
	keys, err := k.ring(ctx, true)
	if err != nil {
		return nil, err
	}
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].signsAt(now) {
			return keys[i], nil
		}
	}
	e := iam.Errorf(iam.Unavailable, "No signing key may sign at this time")
	e.Reason = "no_signing_key"
	return nil, e
}
