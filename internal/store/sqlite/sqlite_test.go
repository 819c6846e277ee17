package sqlite_test

import (
	"testing"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
	"github.com/propusk/propusk/internal/store/storetest"
)

func TestEngine(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Engine { return openMemory(t) })
	})
	t.Run("folder", func(t *testing.T) {
		if testing.Short() {
			t.Skip("syncs to disk")
		}
		storetest.Run(t, func(t *testing.T) store.Engine { return openFolder(t, t.TempDir()) })
	})
}

func BenchmarkEngine(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) store.Engine { return openFolder(b, b.TempDir()) })
}

func openMemory(t testing.TB) *sqlite.Engine {
	t.Helper()
	e, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func openFolder(t testing.TB, dir string) *sqlite.Engine {
	t.Helper()
	e, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
