package replica_test

import (
	"context"
	"testing"

	"github.com/propusk/propusk/internal/replica"
)

// What an exchange reads, one by one and together, all remembered.
func BenchmarkExchangeReads(b *testing.B) {
	f := newFixture(b, nil)
	ctx := b.Context()
	key := func() error { _, err := f.r.Key(ctx, "key"); return err }
	account := func() error { _, err := f.r.ServiceAccount(ctx, "robot"); return err }
	ancestors := func() error { _, err := f.r.Ancestors(ctx, "robot"); return err }
	run := func(name string, reads ...func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, read := range reads {
					if err := read(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	run("Position", func() error { _ = f.r.Position(); return nil })
	run("Key", key)
	run("ServiceAccount", account)
	run("Ancestors", ancestors)
	run("together", func() error { _ = f.r.Position(); return nil }, key, account, ancestors)
}

// Beside each other, on all processors, among many.
func BenchmarkServiceAccountParallel(b *testing.B) {
	f := newFixture(b, nil)
	ids := numbered("user", 1000)
	f.addUsers(ids...)
	f.readUsers(ids)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := f.r.UserAccount(context.Background(), ids[i%len(ids)]); err != nil {
				b.Error(err)
			}
		}
	})
}

// What it costs to find out that there is nothing, when that is known.
func BenchmarkAbsent(b *testing.B) {
	f := newFixture(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.r.Key(b.Context(), "ghost"); err == nil {
			b.Fatal("found")
		}
	}
}

// A miss: one snapshot of the store.
func BenchmarkMiss(b *testing.B) {
	f := newFixture(b, func(c *replica.Config) { c.MaxBytes = 1 })
	ids := numbered("user", 20_000)
	f.addUsers(ids...)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := f.r.UserAccount(b.Context(), ids[i%len(ids)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
