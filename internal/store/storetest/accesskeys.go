package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var accessKeyTests = []test{
	{"a row's life", testAccessKey},
	{"by their secret", testAccessKeyLookup},
	{"without a look-up", testAccessKeysWithoutLookup},
	{"they go with their account", testAccessKeysGoWithAccount},
	{"they go with their folder", testAccessKeysGoWithFolder},
}

func accessKey(id, robotID string) *iam.AccessKey {
	return &iam.AccessKey{ID: id, ServiceAccountID: robotID, KeyID: "YC-" + id, CreatedAt: created}
}

// sealedText stands for what seal.Box makes: any bytes, zeros among them.
func sealedText(id string) []byte { return append([]byte{1, 0, 0xff}, id...) }

func insertAccessKey(tx *store.Tx, id, robotID string) error {
	return store.InsertAccessKey(tx, accessKey(id, robotID), sealedText(id))
}

func accessKeyTold(ids ...string) []store.Change {
	var all []store.Change
	for _, id := range ids {
		all = append(all, store.Change{Kind: store.ChangeAccessKey, Key: id + "/YC-" + id})
	}
	return all
}

func testAccessKey(t *testing.T, f *fixture) {
	f.world(t)
	want := accessKey("aje9", robotID)
	want.Description = "for backups"
	told := accessKeyTold("aje9")
	f.told(t, told, func(tx *store.Tx) error { return store.InsertAccessKey(tx, want, sealedText("aje9")) })
	look := func() {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.GetAccessKey(tx, "aje9")
			same(t, "by id", want, got)
			found, e2 := store.FindAccessKey(tx, want.KeyID)
			same(t, "by key id", &store.SealedAccessKey{AccessKey: *want, Sealed: sealedText("aje9")}, found)
			listed, e3 := store.ListAccessKeys(tx, robotID, store.Page{Limit: 9})
			same(t, "listed", []*iam.AccessKey{want}, listed)
			return all(err, e2, e3)
		})
	}
	look()
	want.Description = "for archives"
	f.told(t, told, func(tx *store.Tx) error { return store.UpdateAccessKeyDescription(tx, "aje9", want.Description) })
	want.LastUsedAt = created.Add(time.Second)
	f.told(t, nil, func(tx *store.Tx) error {
		return store.TouchAccessKeys(tx, map[string]time.Time{"aje9": want.LastUsedAt, "gone": created})
	})
	f.told(t, nil, func(tx *store.Tx) error { return store.TouchAccessKeys(tx, map[string]time.Time{"aje9": created}) }) // times go forward
	look()
	f.refuse(t, iam.NotFound, "Service account ajenone not found", func(tx *store.Tx) error {
		return insertAccessKey(tx, "aje8", "ajenone")
	})
	f.refuse(t, iam.Internal, "Access key aje8 has no secret", func(tx *store.Tx) error {
		return store.InsertAccessKey(tx, accessKey("aje8", robotID), nil)
	})
	f.refuse(t, iam.AlreadyExists, "Access key aje9 already exists", func(tx *store.Tx) error {
		return insertAccessKey(tx, "aje9", robotID)
	})
	f.refuse(t, iam.AlreadyExists, "Access key aje8 already exists", func(tx *store.Tx) error { // two keys with one key id
		k := accessKey("aje8", robotID)
		k.KeyID = want.KeyID
		return store.InsertAccessKey(tx, k, sealedText("aje8"))
	})
	f.told(t, told, func(tx *store.Tx) error { return store.DeleteAccessKey(tx, "aje9") })
	for what, missing := range map[string]func(tx *store.Tx) error{
		"Access key aje9 not found": func(tx *store.Tx) error { return store.DeleteAccessKey(tx, "aje9") },
		"Access key ajenone not found": func(tx *store.Tx) error {
			return store.UpdateAccessKeyDescription(tx, "ajenone", "x")
		},
		"Access key ajenever not found": func(tx *store.Tx) error { return second(store.GetAccessKey(tx, "ajenever")) },
		"Access key yc-aje9 not found":  func(tx *store.Tx) error { return second(store.FindAccessKey(tx, "yc-aje9")) },
		"Access key YC-aje9 not found":  func(tx *store.Tx) error { return second(store.FindAccessKey(tx, "YC-aje9")) },
		"Access key YC-never not found": func(tx *store.Tx) error { return second(store.FindAccessKey(tx, "YC-never")) },
		"Access key YC-aje not found":   func(tx *store.Tx) error { return second(store.FindAccessKey(tx, "YC-aje")) },
		"Access key YC-aje9% not found": func(tx *store.Tx) error { return second(store.FindAccessKey(tx, "YC-aje9%")) },
	} {
		f.refuse(t, iam.NotFound, what, missing)
	}
}

func testAccessKeyLookup(t *testing.T, f *fixture) {
	f.world(t)
	want := accessKey("aje9", robotID)
	want.Lookup = "0123456789abcdef"
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertAccessKey(tx, want, sealedText("aje9")), insertAccessKey(tx, "aje8", robotID), insertAccessKey(tx, "aje7", robotID))
	})
	f.view(t, func(tx *store.Tx) error {
		found, err := store.FindAccessKeyByLookup(tx, want.Lookup)
		same(t, "by look-up", &store.SealedAccessKey{AccessKey: *want, Sealed: sealedText("aje9")}, found)
		got, e2 := store.GetAccessKey(tx, "aje9")
		same(t, "by id", want, got)
		return all(err, e2)
	})
	for _, lookup := range []string{"", "0123456789abcde", "0123456789ABCDEF", "%"} { // keys without one are not found by ""
		f.refuse(t, iam.NotFound, "Access key of this secret not found", func(tx *store.Tx) error {
			return second(store.FindAccessKeyByLookup(tx, lookup))
		})
	}
	f.refuse(t, iam.AlreadyExists, "Access key aje6 already exists", func(tx *store.Tx) error { // two keys with one secret
		k := accessKey("aje6", robotID)
		k.Lookup = want.Lookup
		return store.InsertAccessKey(tx, k, sealedText("aje6"))
	})
	f.refuse(t, iam.AlreadyExists, "Access key aje8 has the secret of another", func(tx *store.Tx) error {
		return second(store.SetAccessKeyLookup(tx, "aje8", want.Lookup))
	})
}

func testAccessKeysWithoutLookup(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		for _, id := range []string{"ajea", "ajeb", "ajec"} {
			if err := insertAccessKey(tx, id, robotID); err != nil {
				return err
			}
		}
		k := accessKey("ajed", robotID)
		k.Lookup = "has one"
		return store.InsertAccessKey(tx, k, sealedText("ajed"))
	})
	list := func(after string, limit int, want ...string) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			rows, err := store.ListAccessKeysWithoutLookup(tx, after, limit)
			var ids []string
			for _, k := range rows {
				ids = append(ids, k.ID)
				same(t, "sealed of "+k.ID, sealedText(k.ID), k.Sealed)
			}
			same(t, "without a look-up", want, ids)
			return err
		})
	}
	list("", 2, "ajea", "ajeb")
	list("ajeb", 2, "ajec")
	list("ajec", 2)
	set := func(id, lookup string, want bool) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			did, err := store.SetAccessKeyLookup(tx, id, lookup)
			if did != want {
				t.Errorf("%s got a look-up: %v, want %v", id, did, want)
			}
			return err
		})
	}
	set("ajeb", "of b", true)
	set("ajeb", "another", false) // somebody else was quicker
	set("ajed", "another", false)
	set("gone", "of nobody", false)
	list("", 9, "ajea", "ajec")
	f.view(t, func(tx *store.Tx) error {
		b, err := store.FindAccessKeyByLookup(tx, "of b")
		if err == nil && b.ID != "ajeb" {
			t.Errorf("found %s", b.ID)
		}
		return err
	})
}

func testAccessKeysGoWithAccount(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertServiceAccount(tx, robot("aje2", folderID, "other")),
			insertAccessKey(tx, "ajea", robotID), insertAccessKey(tx, "ajeb", robotID), insertAccessKey(tx, "ajec", "aje2"))
	})
	before := f.head(t)
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteServiceAccount(tx, robotID)) })
	accessKeysLeft(t, f, before, accessKeyTold("ajea", "ajeb"), 1)
}

// Many accounts go with a few statements: none of their keys is forgotten.
func testAccessKeysGoWithFolder(t *testing.T, f *fixture) {
	f.world(t)
	var gone []string
	f.update(t, func(tx *store.Tx) error {
		if err := all(store.InsertFolder(tx, folder("b1gkeep", cloudID, "keep")),
			store.InsertServiceAccount(tx, robot("ajekeep", "b1gkeep", "keep")), insertAccessKey(tx, "ajekkeep", "ajekeep")); err != nil {
			return err
		}
		for i := range 5 {
			id := fmt.Sprintf("ajea%d", i)
			gone = append(gone, "ajek"+id)
			if err := all(store.InsertServiceAccount(tx, robot(id, folderID, id)), insertAccessKey(tx, "ajek"+id, id)); err != nil {
				return err
			}
		}
		return nil
	})
	before := f.head(t)
	f.view(t, func(tx *store.Tx) error {
		for most, want := range map[int]int{9: 6, 6: 6, 3: 3} {
			n, err := store.CountAccessKeys(tx, cloudID, most)
			if n != want || err != nil {
				t.Errorf("up to %d: %d access keys (%v), want %d", most, n, err, want)
			}
		}
		return nil
	})
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteFolder(tx, folderID)) })
	accessKeysLeft(t, f, before, accessKeyTold(gone...), 1)
}

// accessKeysLeft checks what the feed tells of access keys since a position,
// and how many there are in the cloud.
func accessKeysLeft(t *testing.T, f *fixture, before iam.Position, want []store.Change, left int) {
	t.Helper()
	told := map[store.Change]int{}
	for _, c := range f.changes(t, before) {
		if c.Kind == store.ChangeAccessKey {
			told[c]++
		}
	}
	for _, c := range want {
		if told[c] != 1 {
			t.Errorf("the feed tells %d times of %v", told[c], c)
		}
	}
	if len(told) != len(want) {
		t.Errorf("the feed tells of %v, want %v", told, want)
	}
	f.view(t, func(tx *store.Tx) error {
		n, err := store.CountAccessKeys(tx, cloudID, 9)
		if n != left {
			t.Errorf("%d access keys are left, want %d", n, left)
		}
		return err
	})
}
