package replica

import (
	"context"
	"errors"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

const (
	pageEntries = 512     // of the feed, read at one time
	tooFar      = 1 << 14 // entries behind the head, from where starting anew is cheaper
)

// read applies the feed up to its head. When history is not the one this node
// knows, or too much of it is missing, everything is forgotten. r.mu is held.
func (r *Replica) read(ctx context.Context) error {
	for {
		asked := r.cfg.Now()
		entries, same, err := r.page(ctx)
		if err != nil {
			return err
		}
		if !same {
			return r.restart(ctx)
		}
		r.apply(entries)
		if len(entries) < pageEntries {
			r.heard.Store(asked.UnixMicro())
			return nil
		}
	}
}

// page reads the entries after the position; same is false when they do not
// follow what this node has applied.
func (r *Replica) page(ctx context.Context) (entries []store.Entry, same bool, err error) {
	at := r.Position()
	err = r.cfg.DB.View(ctx, func(tx *store.Tx) error {
		entries, same = nil, false
		head, err := tx.Head()
		if err != nil || head < at || head > at+tooFar {
			return err
		}
		if at > 0 {
			nonce, ok, err := store.NonceAt(tx, at)
			if err != nil || !ok || nonce != r.nonce {
				return err
			}
		}
		if head > at {
			entries, err = store.ReadChanges(tx, at, pageEntries)
		}
		if errors.Is(err, store.ErrTrimmed) {
			return nil
		}
		same = err == nil
		return err
	})
	return entries, same, err
}

// restart forgets everything and goes on at the feed's head. r.mu is held.
func (r *Replica) restart(ctx context.Context) error {
	asked := r.cfg.Now()
	var head iam.Position
	var nonce string
	err := r.cfg.DB.View(ctx, func(tx *store.Tx) error {
		var err error
		if head, err = tx.Head(); err != nil || head == 0 {
			return err
		}
		nonce, _, err = store.NonceAt(tx, head)
		return err
	})
	if err != nil {
		return err
	}
	r.forget(head, nonce)
	r.heard.Store(asked.UnixMicro())
	return nil
}

// apply takes entries into the caches, then shows their position: a reader who
// sees the position sees nothing from before it. r.mu is held.
func (r *Replica) apply(entries []store.Entry) {
	if len(entries) == 0 {
		return
	}
	last := entries[len(entries)-1]
	for _, e := range entries {
		for _, c := range e.Changes {
			if !r.applyChange(c, e.Seq) {
				r.forget(last.Seq, last.Nonce)
				return
			}
		}
	}
	r.show(last.Seq, last.Nonce, entries)
}

// applyChange drops what a change makes old; false for a kind that this
// program does not know.
func (r *Replica) applyChange(c store.Change, at iam.Position) bool {
	switch c.Kind {
	case store.ChangeResource:
		r.drop(key{kind: ofResource, a: c.Key}, at)
	case store.ChangeBinding:
		// Ids hold no slash; should one ever, every reading of the key is dropped.
		for from := 0; ; {
			n := strings.IndexByte(c.Key[from:], '/')
			if n < 0 {
				break
			}
			id, subject := c.Key[:from+n], c.Key[from+n+1:]
			r.moved[slotOf(r.known.hashText(id))].Store(r.epoch.Load() + 1)
			r.drop(key{kind: ofRoles, a: id, b: subject}, at)
			r.drop(key{kind: ofBare, a: id}, at)
			from += n + 1
		}
	case store.ChangeGroups:
		r.drop(key{kind: ofGroups, a: c.Key}, at)
	case store.ChangeMember:
		r.drop(key{kind: ofMember, a: c.Key}, at)
	case store.ChangeKey:
		r.drop(key{kind: ofKey, a: c.Key}, at)
	case store.ChangeAPIKey:
		id, lookup := store.OfAPIKeyChange(c.Key)
		r.drop(key{kind: ofAPIKey, a: id}, at)
		r.drop(key{kind: ofAPIKeyLookup, a: lookup}, at)
	case store.ChangeAccessKey:
		id, keyID := store.OfAccessKeyChange(c.Key)
		r.drop(key{kind: ofAccessKey, a: id}, at)
		r.drop(key{kind: ofAccessKeyID, a: keyID}, at)
	case store.ChangeServiceAccount:
		r.drop(key{kind: ofServiceAccount, a: c.Key}, at)
	case store.ChangeUserAccount:
		r.drop(key{kind: ofUserAccount, a: c.Key}, at)
	case store.ChangeOAuthToken:
		_, lookup := store.OfOAuthTokenChange(c.Key)
		r.drop(key{kind: ofOAuthTokenLookup, a: lookup}, at)
	case store.ChangeOAuthClient:
		r.drop(key{kind: ofOAuthClient, a: c.Key}, at)
	case store.ChangeClientSecret:
		id, lookup := store.OfOAuthClientSecretChange(c.Key)
		r.drop(key{kind: ofClientSecret, a: id}, at)
		r.drop(key{kind: ofClientSecretLookup, a: lookup}, at)
	case store.ChangeSigningKeys, store.ChangeRevocation, store.ChangeDefinitions: // nothing here; subscribers care
	case store.ChangeDetails: // nothing of it is remembered
	default:
		return false
	}
	return true
}

func (r *Replica) drop(k key, at iam.Position) {
	r.known.drop(k, at)
	r.absent.drop(k, at)
}

// forget empties everything and goes on at a position. r.mu is held.
func (r *Replica) forget(at iam.Position, nonce string) {
	r.generation++
	r.forgot.Add(1)
	for i := range r.moved {
		r.moved[i].Store(r.epoch.Load() + 1)
	}
	r.known.clear(r.generation)
	r.absent.clear(r.generation)
	r.answers.clear(r.generation)
	r.show(at, nonce, nil)
}

// show makes a position the node's, after the caches fit it. The order of the
// two stores matters: see Consistent. r.mu is held.
func (r *Replica) show(at iam.Position, nonce string, entries []store.Entry) {
	for _, fn := range r.subscribers {
		fn(entries)
	}
	r.nonce = nonce
	r.position.Store(uint64(at))
	r.epoch.Add(1)
}
