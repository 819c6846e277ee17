package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
)

const growthConnections = 8

// growth measures what the same load costs with many keys: at their first use,
// when every row comes from the database and every last use is written down,
// and from then on.
func (p *plan) growth(ctx context.Context, t *table, few *installation) error {
	if p.keys == 0 {
		return nil
	}
	say("planting %d keys", p.keys)
	keys := make([]*weakKey, 0, 16)
	for _, s := range few.signers[:16] {
		keys = append(keys, s.key)
	}
	many, err := install(ctx, few.binary, filepath.Join(filepath.Dir(few.data), "many"), p.keys, keys)
	if err != nil {
		return err
	}
	base, err := few.serve(ctx)
	if err != nil {
		return err
	}
	defer base.stop()
	ours, err := many.serve(ctx)
	if err != nil {
		return err
	}
	defer ours.stop()

	say("exchange, REST, each of %d keys once", p.keys)
	var pairs []pair
	missed, err := missesDuring(ctx, ours, func() (requests int, err error) {
		pairs, err = contest(ctx, 1,
			func(ctx context.Context) (round, error) {
				return p.uniform(ctx, base.process, base.rest, growthConnections, fewKeys)
			},
			func(ctx context.Context) (round, error) { return once(ctx, ours, p.keys) })
		return totalOf(pairs), err
	})
	if err != nil {
		return err
	}
	t.heading("JWT exchange, REST, connections: %d, each of %d keys once, beside %d keys", growthConnections, p.keys, fewKeys)
	addGrowth(t, pairs, missed)

	say("exchange, REST, %d keys", p.keys)
	missed, err = missesDuring(ctx, ours, func() (requests int, err error) {
		pairs, err = contest(ctx, p.rounds,
			func(ctx context.Context) (round, error) {
				return p.uniform(ctx, base.process, base.rest, growthConnections, fewKeys)
			},
			func(ctx context.Context) (round, error) {
				return p.uniform(ctx, ours.process, ours.rest, growthConnections, p.keys)
			})
		return totalOf(pairs), err
	})
	if err != nil {
		return err
	}
	t.heading("JWT exchange, REST, connections: %d, any of %d keys, beside %d keys", growthConnections, p.keys, fewKeys)
	addGrowth(t, pairs, missed)
	t.add(row{what: "  exec to the first token, ms", floor: millis(base.first), ours: millis(ours.first),
		ratio: fmt.Sprintf("%.2f", float64(ours.first)/float64(base.first))})
	return addMemory(t, "resident after the load, MiB", base, ours)
}

// once sends every JWT one time, in no order.
func once(ctx context.Context, r *running, keys int) (round, error) {
	order := rand.Perm(keys)
	var at atomic.Int64
	return drive(ctx, r.process, r.rest, growthConnections, func(int) numbers {
		return func() (int, bool) {
			n := int(at.Add(1)) - 1
			if n >= keys {
				return 0, false
			}
			return order[n], true
		}
	})
}

func totalOf(pairs []pair) int {
	n := 0
	for _, p := range pairs {
		n += p.ours.requests
	}
	return n
}

// missesDuring is how many rows a request had to be looked up in the database.
func missesDuring(ctx context.Context, r *running, load func() (requests int, err error)) (float64, error) {
	const metric = "propusk_cache_misses_total"
	before, err := r.counter(ctx, metric)
	if err != nil {
		return 0, err
	}
	requests, err := load()
	if err != nil {
		return 0, err
	}
	after, err := r.counter(ctx, metric)
	return (after - before) / float64(requests), err
}

func addGrowth(t *table, pairs []pair, missed float64) {
	t.compare("CPU of the server, us a request", pairs, func(r round) float64 { return r.cpu }, "%.1f", 0)
	addSpeed(t, pairs)
	t.add(row{what: "  look-ups in the database a request", ours: fmt.Sprintf("%.3f", missed)})
}

func addMemory(t *table, what string, base, ours *running) error {
	floor, err := base.resident()
	if err != nil {
		return err
	}
	used, err := ours.resident()
	if err != nil {
		return err
	}
	t.add(row{what: "  " + what, floor: mebibytes(floor), ours: mebibytes(used), ratio: fmt.Sprintf("%.2f", float64(used)/float64(floor))})
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
