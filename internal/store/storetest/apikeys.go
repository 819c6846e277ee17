package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var apiKeyTests = []test{
	{"a row's life", testAPIKey},
	{"they go with their account", testAPIKeysGoWithAccount},
	{"they go with their folder", testAPIKeysGoWithFolder},
}

func apiKey(id, robotID string) *iam.APIKey {
	return &iam.APIKey{ID: id, ServiceAccountID: robotID, Scopes: []string{"yc.b.use", "yc.a.use"}, MaskedSecret: "****abcdef",
		Lookup: "look-" + id, Hash: []byte{0, 1, 0xff}, CreatedAt: created}
}

func apiKeyTold(ids ...string) []store.Change {
	var all []store.Change
	for _, id := range ids {
		all = append(all, store.Change{Kind: store.ChangeAPIKey, Key: store.APIKeyChange(id, "look-"+id)})
	}
	return all
}

func testAPIKey(t *testing.T, f *fixture) {
	f.world(t)
	want := apiKey("aje9", robotID)
	want.Description, want.Scope = "for ci", "yc.b.use"
	told := apiKeyTold("aje9")
	f.told(t, told, func(tx *store.Tx) error { return store.InsertAPIKey(tx, want) })
	look := func() {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.GetAPIKey(tx, "aje9")
			same(t, "by id", want, got)
			found, e2 := store.FindAPIKey(tx, want.Lookup)
			same(t, "by look-up", want, found)
			return all(err, e2)
		})
	}
	look()
	want.Description, want.Scope, want.Scopes, want.ExpiresAt = "for cd", "", []string{"yc.c.use"}, created.Add(time.Hour)
	f.told(t, told, func(tx *store.Tx) error { return store.UpdateAPIKey(tx, want) })
	want.LastUsedAt = created.Add(time.Second)
	f.told(t, nil, func(tx *store.Tx) error {
		return store.TouchAPIKeys(tx, map[string]time.Time{"aje9": want.LastUsedAt, "gone": created})
	})
	f.told(t, nil, func(tx *store.Tx) error { return store.TouchAPIKeys(tx, map[string]time.Time{"aje9": created}) }) // times go forward
	look()
	f.refuse(t, iam.NotFound, "Service account ajenone not found", func(tx *store.Tx) error {
		return store.InsertAPIKey(tx, apiKey("aje8", "ajenone"))
	})
	f.refuse(t, iam.InvalidArgument, "scopes: an API key has at least one scope", func(tx *store.Tx) error {
		return store.InsertAPIKey(tx, &iam.APIKey{ID: "aje8", ServiceAccountID: robotID, Lookup: "x"})
	})
	again := apiKey("aje8", robotID)
	again.Lookup = want.Lookup
	f.refuse(t, iam.AlreadyExists, "API key aje8 already exists", func(tx *store.Tx) error { return store.InsertAPIKey(tx, again) })
	f.told(t, told, func(tx *store.Tx) error { return store.DeleteAPIKey(tx, "aje9") })
	f.refuse(t, iam.NotFound, "API key aje9 not found", func(tx *store.Tx) error { return store.DeleteAPIKey(tx, "aje9") })
	f.refuse(t, iam.NotFound, "API key aje9 not found", func(tx *store.Tx) error { return store.UpdateAPIKey(tx, want) })
	f.view(t, func(tx *store.Tx) error {
		_, err := store.FindAPIKey(tx, want.Lookup)
		wantRefusal(t, err, iam.NotFound, "API key of this secret not found")
		return nil
	})
}

func testAPIKeysGoWithAccount(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertServiceAccount(tx, robot("ajekeep", folderID, "keep")),
			store.InsertAPIKey(tx, apiKey("k1", robotID)), store.InsertAPIKey(tx, apiKey("k2", robotID)), store.InsertAPIKey(tx, apiKey("k3", "ajekeep")))
	})
	f.checkAPIKeysGone(t, []string{"k1", "k2"}, []string{"k3"}, func(tx *store.Tx) error { return second(store.DeleteServiceAccount(tx, robotID)) })
}

func testAPIKeysGoWithFolder(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		err := all(store.InsertFolder(tx, folder("b1gkeep", cloudID, "keep")), store.InsertServiceAccount(tx, robot("ajekeep", "b1gkeep", "keep")),
			store.InsertAPIKey(tx, apiKey("k3", "ajekeep")), store.InsertAPIKey(tx, apiKey("k0", robotID)))
		for i := range 3 {
			id := fmt.Sprint("ajea", i)
			err = all(err, store.InsertServiceAccount(tx, robot(id, folderID, id)), store.InsertAPIKey(tx, apiKey("k-"+id, id)))
		}
		return err
	})
	f.checkAPIKeysGone(t, []string{"k0", "k-ajea0", "k-ajea1", "k-ajea2"}, []string{"k3"},
		func(tx *store.Tx) error { return second(store.DeleteFolder(tx, folderID)) })
	f.checkAPIKeysGone(t, []string{"k3"}, nil, func(tx *store.Tx) error { return second(store.DeleteCloud(tx, cloudID)) })
}

// checkAPIKeysGone makes a deletion and looks at what the feed tells of it, and
// at what is left.
func (f *fixture) checkAPIKeysGone(t *testing.T, gone, kept []string, remove func(tx *store.Tx) error) {
	t.Helper()
	before := f.head(t)
	f.update(t, remove)
	var told []store.Change
	for _, c := range f.changes(t, before) {
		if c.Kind == store.ChangeAPIKey {
			told = append(told, c)
		}
	}
	sort := func(all []store.Change) []store.Change {
		slices.SortFunc(all, func(a, b store.Change) int { return slices.Compare([]string{a.Key}, []string{b.Key}) })
		return all
	}
	same(t, "feed", sort(apiKeyTold(gone...)), sort(told))
	f.view(t, func(tx *store.Tx) error {
		for _, id := range gone {
			_, err := store.GetAPIKey(tx, id)
			wantRefusal(t, err, iam.NotFound, "API key "+id+" not found")
		}
		for _, id := range kept {
			if _, err := store.GetAPIKey(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}
