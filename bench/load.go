package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// round is what one measurement of one server found.
type round struct {
	requests int
	cpu      float64 // of the server, user and system, µs a request
	rate     float64 // requests a second
	p50, p99 float64 // ms
	kernel   float64 // of kernel threads meanwhile, µs a request
}

// numbers hands out the JWTs that one connection sends; false ends it.
type numbers func() (number int, more bool)

// uniform draws from n JWTs for a time.
func uniform(n int, worker int, until time.Time) numbers {
	random := rand.New(rand.NewPCG(uint64(worker), uint64(until.UnixNano())))
	return func() (int, bool) { return random.IntN(n), time.Now().Before(until) }
}

// drive runs a closed loop: so many connections, each sending its next request
// when the last is answered.
func drive(ctx context.Context, p *process, d door, connections int, next func(worker int) numbers) (round, error) {
	workers := make([]worker, connections)
	defer func() {
		for _, w := range workers {
			if w.client != nil {
				w.client.close()
			}
		}
	}()
	for i := range workers {
		var err error
		if workers[i].client, err = d.dial(); err == nil {
			err = workers[i].client.exchange(ctx, 0) // connects, and warms both sides
		}
		if err != nil {
			return round{}, fmt.Errorf("%s to %s: %w", d.name, p, err)
		}
	}
	before, err := p.cpu()
	if err != nil {
		return round{}, err
	}
	kernel, began := kernelWorkers(), time.Now()
	var wait sync.WaitGroup
	for i := range workers {
		wait.Go(func() { workers[i].run(ctx, next(i)) })
	}
	wait.Wait()
	took := time.Since(began)
	after, err := p.cpu()
	if err != nil {
		return round{}, err
	}
	r, err := sumUp(workers, took, after-before)
	r.kernel = (kernelWorkers() - kernel).Seconds() * 1e6 / float64(max(1, r.requests))
	return r, err
}

type worker struct {
	client client
	took   []time.Duration
	err    error
}

func (w *worker) run(ctx context.Context, next numbers) {
	w.took = make([]time.Duration, 0, 1<<14)
	for {
		number, more := next()
		if !more || ctx.Err() != nil {
			w.err = ctx.Err()
			return
		}
		began := time.Now()
		if w.err = w.client.exchange(ctx, number); w.err != nil {
			return
		}
		w.took = append(w.took, time.Since(began))
	}
}

func sumUp(workers []worker, took, cpu time.Duration) (round, error) {
	var all []time.Duration
	var errs []error
	for _, w := range workers {
		all = append(all, w.took...)
		errs = append(errs, w.err)
	}
	if err := errors.Join(errs...); err != nil {
		return round{}, err
	}
	if len(all) == 0 {
		return round{}, errors.New("not one request was answered")
	}
	slices.Sort(all)
	at := func(share float64) float64 {
		return all[min(len(all)-1, int(share*float64(len(all))))].Seconds() * 1e3
	}
	return round{
		requests: len(all),
		cpu:      cpu.Seconds() * 1e6 / float64(len(all)),
		rate:     float64(len(all)) / took.Seconds(),
		p50:      at(0.50), p99: at(0.99),
	}, nil
}

// median of what of picks; it needs one element at least.
func median[E any, V cmp.Ordered](all []E, of func(E) V) V {
	values := make([]V, len(all))
	for i, e := range all {
		values[i] = of(e)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// pair is one round of each of two servers, taken one right after the other.
type pair struct{ base, ours round }

// contest alternates between two servers. Which of them comes first alternates
// too, so that neither always meets what the other has left behind.
func contest(ctx context.Context, rounds int, base, ours func(context.Context) (round, error)) ([]pair, error) {
	var all []pair
	for i := range rounds {
		var p pair
		steps := []func() error{
			func() (err error) { p.base, err = base(ctx); return err },
			func() (err error) { p.ours, err = ours(ctx); return err },
		}
		if i%2 == 1 {
			slices.Reverse(steps)
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, nil
}
