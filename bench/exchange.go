package main

import (
	"context"
	"fmt"
	"time"
)

// exchangePromise is the most that an exchange may cost, in bare servers, when
// at least so many connections keep the server busy. A connection that is alone
// pays for a whole write to disk, which no bare server makes: its line is shown
// and not judged.
const (
	exchangePromise     = 1.5
	exchangeConnections = 8
)

// exchange measures JWTs turned into tokens, over REST and gRPC, with the audit
// line of each durable before its token leaves.
func (p *plan) exchange(ctx context.Context, t *table, few *installation) error {
	base, err := few.serveBare(ctx)
	if err != nil {
		return err
	}
	defer base.stop()
	ours, err := few.serve(ctx)
	if err != nil {
		return err
	}
	defer ours.stop()
	for _, doors := range [][2]door{{base.rest, ours.rest}, {base.grpc, ours.grpc}} {
		for _, connections := range p.connections {
			say("exchange, %s, %d connections", doors[0].name, connections)
			pairs, err := contest(ctx, p.rounds,
				func(ctx context.Context) (round, error) {
					return p.uniform(ctx, base.process, doors[0], connections, fewKeys)
				},
				func(ctx context.Context) (round, error) {
					return p.uniform(ctx, ours.process, doors[1], connections, fewKeys)
				})
			if err != nil {
				return err
			}
			most := exchangePromise
			if connections < exchangeConnections {
				most = 0
			}
			t.heading("JWT exchange, %s, connections: %d, beside the bare server", doors[0].name, connections)
			t.compare("CPU of the server, us a request", pairs, func(r round) float64 { return r.cpu }, "%.1f", most)
			t.add(row{what: "  CPU of kernel threads meanwhile, us a request",
				floor: fmt.Sprintf("%.1f", median(pairs, func(p pair) float64 { return p.base.kernel })),
				ours:  fmt.Sprintf("%.1f", median(pairs, func(p pair) float64 { return p.ours.kernel }))})
			addSpeed(t, pairs)
		}
	}
	return nil
}

// addSpeed adds what a client sees.
func addSpeed(t *table, pairs []pair) {
	t.compare("requests/s", pairs, func(r round) float64 { return r.rate }, "%.0f", 0)
	t.compare("p50, ms", pairs, func(r round) float64 { return r.p50 }, "%.2f", 0)
	t.compare("p99, ms", pairs, func(r round) float64 { return r.p99 }, "%.2f", 0)
}

// uniform is one round over all keys alike.
func (p *plan) uniform(ctx context.Context, s *process, d door, connections, keys int) (round, error) {
	until := time.Now().Add(p.window)
	return drive(ctx, s, d, connections, func(worker int) numbers { return uniform(keys, worker, until) })
}
