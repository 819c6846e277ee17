package mint

import (
	"context"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// headStart lets a key that is to sign at once do so on a node whose clock is a
// little behind that of the one that made it.
const headStart = time.Minute

// rotated are the purposes whose keys are replaced by age. The root is pinned
// by verifiers and stays.
var rotated = [...]store.SigningPurpose{store.PurposeIAM, store.PurposeFeed, store.PurposeSession}

// found makes what a new installation lacks: its id and one key for each
// purpose. Of nodes that start together one wins and the others read its keys.
func (k *Keyring) found(ctx context.Context) error {
	fresh := make(map[store.SigningPurpose]store.SigningKey)
	for _, purpose := range purposes {
		key, err := k.generate(purpose)
		if err != nil {
			return err
		}
		fresh[purpose] = key
	}
	id := resource.NewID(resource.PrefixIAM)
	complete := false
	look := func(tx *store.Tx) error {
		installation, ok, err := store.GetSetting(tx, store.SettingInstallation)
		if err != nil {
			return err
		}
		k.installation, complete = installation, ok
		for _, purpose := range purposes {
			keys, err := store.ListSigningKeys(tx, purpose)
			if err != nil {
				return err
			}
			complete = complete && len(keys) > 0
		}
		return nil
	}
	if err := k.config.DB.View(ctx, look); err != nil || complete {
		return err
	}
	return k.config.DB.Update(ctx, func(tx *store.Tx) error {
		if err := store.LockSigningKeys(tx); err != nil {
			return err
		}
		if err := look(tx); err != nil || complete {
			return err
		}
		if k.installation == "" {
			if err := store.SetSetting(tx, store.SettingInstallation, id); err != nil {
				return err
			}
			k.installation = id
		}
		for _, purpose := range purposes {
			keys, err := store.ListSigningKeys(tx, purpose)
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				continue
			}
			if err := insert(tx, fresh[purpose], tx.Now().Add(-headStart)); err != nil {
				return err
			}
		}
		return nil
	})
}

// insert writes a key that signs from a whole millisecond on, as tokens count.
func insert(tx *store.Tx, key store.SigningKey, from time.Time) error {
	key.CreatedAt, key.SignsFrom = tx.Now(), from.Truncate(time.Millisecond)
	return store.InsertSigningKey(tx, &key)
}

// Rotate makes a new IAM key, a new feed key and a new session key at once. They
// sign after PublishLead, by when everyone has heard of them; the old ones may
// sign for Overlap more, and are kept until their last token has expired.
func (k *Keyring) Rotate(ctx context.Context) error { return k.replace(ctx, 0) }

// replace makes successors for the keys that are at least so old, and forgets
// those that no token can name any more. It is safe on all nodes at once.
func (k *Keyring) replace(ctx context.Context, age time.Duration) error {
	fresh := make(map[store.SigningPurpose]store.SigningKey)
	for _, purpose := range rotated {
		key, err := k.generate(purpose)
		if err != nil {
			return err
		}
		fresh[purpose] = key
	}
	err := k.config.DB.Update(ctx, func(tx *store.Tx) error {
		if err := store.LockSigningKeys(tx); err != nil {
			return err
		}
		for _, purpose := range rotated {
			if err := k.succeed(tx, purpose, fresh[purpose], age); err != nil {
				return err
			}
			before := tx.Now().Add(-token.RevocationLife)
			if _, err := store.DeleteRetiredSigningKeys(tx, purpose, before); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rotate signing keys: %w", err)
	}
	return k.Reload(ctx)
}

// succeed inserts the successor of a purpose's keys, unless the newest is
// younger than age.
func (k *Keyring) succeed(tx *store.Tx, purpose store.SigningPurpose, fresh store.SigningKey, age time.Duration) error {
	keys, err := store.ListSigningKeys(tx, purpose)
	if err != nil {
		return err
	}
	for _, old := range keys {
		if old.DistrustedAt.IsZero() && tx.Now().Sub(old.CreatedAt) < age {
			return nil
		}
	}
	from := tx.Now().Add(k.config.PublishLead)
	until := from.Add(k.config.Overlap)
	for _, old := range keys {
		if old.DistrustedAt.IsZero() && old.SignsUntil.IsZero() {
			if err := store.SetSigningKeyWindow(tx, old.ID, old.SignsFrom, until); err != nil {
				return err
			}
		}
	}
	if err := insert(tx, fresh, from); err != nil {
		return err
	}
	return k.config.Record(tx, fresh.ID)
}

// Distrust ends a key that has leaked, of any purpose but the root: what it
// signed is good no more, it leaves the key set, and a successor signs from now
// on, which verifiers learn with their next look at the feed. end is called in
// the same transaction to revoke what depends on the key. A root is
// FAILED_PRECONDITION, an unknown key NOT_FOUND.
func (k *Keyring) Distrust(ctx context.Context, keyID string, end func(tx *store.Tx, kind token.Kind, id string) error) error {
	fresh := make(map[store.SigningPurpose]store.SigningKey)
	for _, purpose := range rotated {
		key, err := k.generate(purpose)
		if err != nil {
			return err
		}
		fresh[purpose] = key
	}
	err := k.config.DB.Update(ctx, func(tx *store.Tx) error {
		key, err := findKey(tx, keyID)
		if err != nil {
			return err
		}
		if key.Purpose == store.PurposeRoot {
			return iam.Errorf(iam.FailedPrecondition, "Signing key %s is the root that verifiers pin: it cannot be replaced while they do", keyID)
		}
		if !key.DistrustedAt.IsZero() {
			return nil
		}
		if err := store.SetSigningKeyWindow(tx, key.ID, key.SignsFrom, tx.Now()); err != nil {
			return err
		}
		if err := store.DistrustSigningKey(tx, key.ID); err != nil {
			return err
		}
		if err := end(tx, token.KindSigningKey, key.ID); err != nil {
			return err
		}
		return insert(tx, fresh[key.Purpose], tx.Now().Add(-headStart))
	})
	if err != nil {
		return err
	}
	return k.Reload(ctx)
}

func findKey(tx *store.Tx, id string) (*store.SigningKey, error) {
	for _, purpose := range purposes {
		keys, err := store.ListSigningKeys(tx, purpose)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if key.ID == id {
				return key, nil
			}
		}
	}
	return nil, iam.Errorf(iam.NotFound, "Signing key %s not found", id)
}

const (
	lookEvery  = time.Hour   // a rotation is at most this late
	retryAfter = time.Second // after a failure
)

// Run keeps the ring fresh until ctx ends: it reads the keys when Notice says
// so and replaces those older than RotateEvery.
func (k *Keyring) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-k.notice:
			if err = k.Reload(ctx); err != nil {
				k.wake()
			}
		case <-timer.C:
		}
		if err == nil && k.due() {
			err = k.replace(ctx, k.config.RotateEvery)
		}
		wait := lookEvery
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			k.config.Report(err)
			wait = retryAfter
			if !pause(ctx, retryAfter) {
				return
			}
		}
		timer.Reset(wait)
	}
}

// due tells whether some purpose has no key younger than RotateEvery.
func (k *Keyring) due() bool {
	r := k.held.Load()
	for _, keys := range [...][]*SigningKey{r.iam, r.feed, r.session} {
		young := false
		for _, key := range keys {
			young = young || k.config.Now().Sub(key.CreatedAt) < k.config.RotateEvery
		}
		if !young {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
