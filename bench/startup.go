package main

import (
	"context"
	"fmt"
	"time"
)

const (
	startPromise = 150 * time.Millisecond
	idlePromise  = 40 << 20
)

// start measures the time from exec to the first token on an existing database,
// and the memory of a server that has given one and waits.
func (p *plan) start(ctx context.Context, t *table, few *installation) error {
	say("starting %d times", p.starts)
	var base, ours []time.Duration
	for range p.starts {
		for _, s := range []struct {
			serve func(context.Context) (*running, error)
			into  *[]time.Duration
		}{{few.serveBare, &base}, {few.serve, &ours}} {
			r, err := s.serve(ctx)
			if err != nil {
				return err
			}
			r.stop()
			*s.into = append(*s.into, r.first)
		}
	}
	same := func(d time.Duration) time.Duration { return d }
	floor, took := median(base, same), median(ours, same)
	t.heading("start and rest, an existing database with %d keys", fewKeys)
	t.add(row{what: "  exec to the first token, ms", floor: millis(floor), ours: millis(took),
		ratio:   fmt.Sprintf("%.2f", float64(took)/float64(floor)),
		promise: "<= " + millis(startPromise), kept: took <= startPromise})
	return p.rest(ctx, t, few)
}

func (p *plan) rest(ctx context.Context, t *table, few *installation) error {
	say("idling for %v", p.idle)
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
	before, err := ours.cpu()
	if err != nil {
		return err
	}
	select {
	case <-time.After(p.idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := ours.cpu()
	if err != nil {
		return err
	}
	if err := addMemory(t, "resident when idle, MiB", base, ours); err != nil {
		return err
	}
	last := &t.rows[len(t.rows)-1]
	used, err := ours.resident()
	last.promise, last.kept = fmt.Sprintf("<= %d", idlePromise>>20), used <= idlePromise
	t.add(row{what: "  CPU when idle, ms a second", ours: fmt.Sprintf("%.1f", (after-before).Seconds()*1e3/p.idle.Seconds())})
	return err
}

func millis(d time.Duration) string { return fmt.Sprintf("%.0f", d.Seconds()*1e3) }
