//go:build unix

package audit_test

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/resource"
)

// processor is the user and system time that this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRecord is the cost of a token's line, encoding included, by the
// number of callers that wait for theirs at the same time.
func BenchmarkRecord(b *testing.B) {
	for _, mode := range []audit.Mode{audit.Durable, audit.Buffered} {
		for _, callers := range []int{1, 8, 64} {
			name := map[audit.Mode]string{audit.Durable: "durable", audit.Buffered: "buffered"}[mode]
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				j, err := audit.Open(b.Context(), audit.Config{Dir: b.TempDir(), Node: "n1", Archive: &memory{}, Mode: mode})
				if err != nil {
					b.Fatal(err)
				}
				var left atomic.Int64
				left.Store(int64(b.N))
				before := processor()
				b.ResetTimer()
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						for template := tokenEvent(); left.Add(-1) >= 0; {
							e := *template
							e.ID = ""
							if err := j.Record(&e); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				b.ReportMetric(float64((processor()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/line")
				s := j.Stats()
				b.ReportMetric(float64(s.Lines)/float64(max(s.Batches, 1)), "lines/write")
			})
		}
	}
}

// BenchmarkShip is the cost of bringing a line into the store.
func BenchmarkShip(b *testing.B) {
	db := openStoreIn(b, b.TempDir())
	j, err := audit.Open(b.Context(), audit.Config{Dir: b.TempDir(), Node: "n1", Archive: audit.InStore(db), Mode: audit.Buffered, FlushEvery: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		e := tokenEvent()
		e.ID, e.Details[0].Text, e.Request.ID = "", resource.NewID("aje"), resource.NewID("request-")
		e.Authentication.Proof.JWTDigest = fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))
		if err := j.Record(e); err != nil {
			b.Fatal(err)
		}
	}
	before := processor()
	b.ResetTimer()
	if err := j.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64((processor()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/line")
}
