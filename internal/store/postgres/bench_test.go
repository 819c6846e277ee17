package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// BenchmarkChanges adds accounts to one folder and to a folder for each writer.
func BenchmarkChanges(b *testing.B) {
	s := pgtest.Own(b)
	for _, nodes := range []int{1, 2} {
		for _, writers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("nodes=%d/writers=%d", nodes, writers), func(b *testing.B) {
				dbs, _ := cluster(b, s, nodes)
				var next atomic.Int64
				var all sync.WaitGroup
				b.ResetTimer()
				for w := range writers {
					all.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							if err := dbs[w%nodes].Update(context.Background(), insertAccount(fmt.Sprintf("a%d", n))); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
			})
		}
	}
}
