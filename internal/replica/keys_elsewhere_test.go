package replica_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// Keys that another node deletes, or the account of which it suspends, are
// remembered here no longer than a look at the feed takes.
func TestKeysEndOnOtherNodes(t *testing.T) {
	f := newFixture(t, func(c *replica.Config) {
		c.Open = func(seal.Place, []byte) ([]byte, error) { return []byte(signingSecret), nil }
	})
	f.update(func(tx *store.Tx) error {
		return errors.Join(store.InsertAPIKey(tx, apiKey("a")), store.InsertAPIKey(tx, apiKey("a2")),
			store.InsertAccessKey(tx, &iam.AccessKey{ID: "s", ServiceAccountID: "robot", KeyID: "YCs"}, []byte("sealed")),
			store.InsertUserAccount(tx, &iam.UserAccount{ID: "carol", Login: "carol"}),
			store.InsertOAuthToken(tx, &iam.OAuthToken{ID: "o", UserID: "carol", Lookup: "look-o", ExpiresAt: time.Now().Add(time.Hour)}))
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = f.r.Run(ctx) }()
	defer func() { stop(); within(t, "Run ends", ended) }()
	find := map[string]func() error{
		"API key":     func() error { _, err := f.r.FindAPIKey(ctx, "look-a"); return err },
		"access key":  func() error { _, err := f.r.FindAccessKey(ctx, "YCs"); return err },
		"OAuth token": func() error { _, err := f.r.FindOAuthToken(ctx, "look-o"); return err },
		"its person": func() error {
			u, err := f.r.UserAccount(ctx, "carol")
			if err == nil && u.Status != iam.UserAccountActive {
				return iam.NotFound
			}
			return err
		},
		"their account": func() error {
			a, err := f.r.ServiceAccount(ctx, "robot")
			if err == nil && a.Status != iam.ServiceAccountActive {
				return iam.NotFound
			}
			return err
		},
	}
	for what, found := range find {
		if err := found(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if err := f.anotherNode().Update(ctx, func(tx *store.Tx) error {
		_, err := store.SetUserAccountStatus(tx, "carol", iam.UserAccountSuspended, "")
		return errors.Join(err, store.DeleteOAuthToken(tx, "o"), store.DeleteAPIKey(tx, "a"), store.DeleteAccessKey(tx, "s"),
			store.SetServiceAccountStatus(tx, "robot", iam.ServiceAccountSuspended, ""))
	}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Second) // what is promised of every change
	for what, found := range find {
		for !errors.Is(found(), iam.NotFound) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: still good a second after", what)
			}
			time.Sleep(time.Millisecond)
		}
	}
	if _, err := f.r.FindAPIKey(ctx, "look-a2"); err != nil {
		t.Errorf("a key beside it: %v", err)
	}
}
