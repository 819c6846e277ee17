// Command openfga runs one world of 3,000 facts and the same questions about it
// through Propusk's checker and through OpenFGA, and prints what a check costs
// in each. All must give the same answers to 10,000 random questions (with
// --short those without a cache are asked only the first 300); otherwise there
// is no table, the question is shown, and the program exits with 1.
//
//	go run . [--short]     from this folder; --short takes about ten seconds
//
// Each contestant is a process of its own, keeps its facts in memory, and is
// called by function, one question after the other, with all of them asked once
// before the clock starts. Rounds are taken in turns, and medians are shown.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "openfga:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 4 && args[0] == contestantCommand {
		seed, err := strconv.ParseUint(args[2], 10, 64)
		if err != nil {
			return err
		}
		questions, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return contest(ctx, args[1], seed, questions, os.Stdin, os.Stdout)
	}
	f := flag.NewFlagSet("openfga", flag.ContinueOnError)
	short := f.Bool("short", false, "about ten seconds instead of one minute, with more noise")
	seed := f.Uint64("seed", 1, "`number` that the world and the questions are made from")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := plan{seed: *seed, rounds: 5, window: time.Second}
	if *short {
		p.short, p.rounds, p.window = true, 3, 150*time.Millisecond
	}
	return p.compare(ctx, os.Stdout)
}

// plan is how much is measured.
type plan struct {
	seed   uint64
	short  bool
	rounds int
	window time.Duration // of one round
}

func (m *plan) compare(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all []*process
	defer func() {
		if err != nil {
			cancel()
		}
		for _, p := range all {
			if e := p.end(); err == nil {
				err = e
			}
		}
	}()
	for i := range contestants {
		n := questions
		if m.short {
			n = contestants[i].short
		}
		p, err := start(ctx, &contestants[i], m.seed, n)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, p := range all {
		if err := p.open(); err != nil {
			return err
		}
		if i := disagreement(all[0].answers, p.answers); i >= 0 {
			return disputed(m.seed, i, all[0], p)
		}
	}
	for range m.rounds {
		for _, p := range all {
			if err := p.round(m.window); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(out, "%d facts, seed %d, %.0f %% of %d answers are yes\n",
		newWorld(m.seed, town).facts(), m.seed, 100*share(all[0].answers), len(all[0].answers))
	show(out, all)
	return nil
}

func disputed(seed uint64, i int, a, b *process) error {
	s := town
	s.questions = i + 1
	q := newWorld(seed, s).questions[i]
	return fmt.Errorf("answers differ: %s: %s says %v, %s says %v", q, a.of.name, a.answers[i], b.of.name, b.answers[i])
}

func show(out io.Writer, all []*process) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tCPU us\tRATIO\tWALL us\tALLOCATIONS\tMEMORY MB\tSAME ANSWERS")
	base := all[0].median(cpuOf)
	for _, p := range all {
		cpu := p.median(cpuOf)
		fmt.Fprintf(w, "%s\t%.2f\t%.0f\t%.2f\t%.1f\t%.1f\t%d\n", p.of.row, cpu, cpu/base, p.median(wallOf), p.median(allocsOf),
			p.median(memoryOf), len(p.answers))
	}
	w.Flush()
}

func cpuOf(r round) float64    { return float64(r.CPU.Nanoseconds()) / 1e3 / float64(r.Checks) }
func wallOf(r round) float64   { return float64(r.Wall.Nanoseconds()) / 1e3 / float64(r.Checks) }
func allocsOf(r round) float64 { return float64(r.Allocs) / float64(r.Checks) }
func memoryOf(r round) float64 { return float64(r.Memory) / 1e6 }

func (p *process) median(of func(round) float64) float64 {
	all := make([]float64, 0, len(p.rounds))
	for _, r := range p.rounds {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// share is how many of the answers are yes, from 0 to 1.
func share(answers []bool) float64 {
	n := 0
	for _, a := range answers {
		if a {
			n++
		}
	}
	return float64(n) / float64(len(answers))
}
