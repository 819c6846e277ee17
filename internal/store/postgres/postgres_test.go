package postgres_test

import (
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/internal/store/storetest"
)

func TestEngine(t *testing.T) {
	s := pgtest.Shared(t)
	storetest.Run(t, func(t *testing.T) store.Engine { return open(t, s.Schema(t)) })
}

func BenchmarkEngine(b *testing.B) {
	s := pgtest.Own(b)
	storetest.Benchmark(b, func(b *testing.B) store.Engine { return open(b, s.Schema(b)) })
}

func open(t testing.TB, url string) *postgres.Engine {
	t.Helper()
	e, err := postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(url)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
