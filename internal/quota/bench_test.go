package quota_test

import (
	"fmt"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// BenchmarkReserve is what a quota adds to the transaction that creates, with
// the carrier as full as the default allows.
func BenchmarkReserve(b *testing.B) {
	engine, err := sqlite.OpenMemory()
	if err != nil {
		b.Fatal(err)
	}
	db := store.New(engine, store.Options{})
	b.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	err = db.Update(b.Context(), func(tx *store.Tx) error {
		if err := plant(tx); err != nil {
			return err
		}
		for i := range 1999 {
			if i < 99 {
				if err := account(tx, fmt.Sprint("a", i)); err != nil {
					return err
				}
			}
			s := iam.Subject{ID: iam.SubjectID(fmt.Sprint("s", i)), Type: iam.TypeUserAccount}
			if _, err := store.AddBinding(tx, "folder", iam.AccessBinding{Role: "viewer", Subject: s}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, of := range []quota.ID{quota.ServiceAccounts, quota.AccessBindings} {
		for name, limits := range map[string]quota.Limits{"enforced": enforced, "off": {}} {
			b.Run(string(of)+"/"+name, func(b *testing.B) {
				err := db.Update(b.Context(), func(tx *store.Tx) error {
					for b.Loop() {
						if err := limits.Reserve(tx, of, "folder", 1); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
