package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Benchmark measures an engine: a durable update with one and with sixteen
// writers, and point reads.
func Benchmark(b *testing.B, open func(b *testing.B) store.Engine) {
	setUp := func(b *testing.B) *store.DB {
		db := store.New(open(b), store.Options{})
		b.Cleanup(func() { _ = db.Close() })
		err := all(db.Migrate(b.Context()), db.Update(b.Context(), func(tx *store.Tx) error {
			return all(
				store.InsertOrganization(tx, organization(orgID, "acme")),
				store.InsertCloud(tx, cloud(cloudID, orgID, "prod")),
				store.InsertFolder(tx, folder(folderID, cloudID, "web")),
				store.InsertServiceAccount(tx, robot(robotID, folderID, "deployer")),
				store.InsertKey(tx, key(keyID, robotID)),
			)
		}))
		if err != nil {
			b.Fatal(err)
		}
		return db
	}
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("update/writers=%d", writers), func(b *testing.B) {
			db := setUp(b)
			var n atomic.Int64
			b.SetParallelism(writers) // times GOMAXPROCS
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := fmt.Sprintf("key%d", n.Add(1))
					if err := db.Update(b.Context(), func(tx *store.Tx) error { return store.InsertKey(tx, key(id, robotID)) }); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
	reads := map[string]func(tx *store.Tx) error{
		"key":       func(tx *store.Tx) error { return second(store.GetKey(tx, keyID)) },
		"ancestors": func(tx *store.Tx) error { return second(store.Ancestors(tx, robotID)) },
		"head":      func(tx *store.Tx) error { return second(tx.Head()) },
		"roles":     func(tx *store.Tx) error { return second(store.RolesOf(tx, folderID, iam.SubjectID(robotID))) },
	}
	for _, name := range []string{"key", "ancestors", "head", "roles"} {
		b.Run("view/"+name, func(b *testing.B) {
			db := setUp(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := db.View(b.Context(), reads[name]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
