// Command bench measures what Propusk promises to cost, side by side with the
// least that a program doing the same can cost, and prints one table. It starts
// the real program on a fresh data folder with its default settings, talks to
// it over loopback only, and leaves nothing behind.
//
//	go run ./bench           everything, up to eight minutes
//	go run ./bench --short   about two minutes, with more noise
//
// Run it from the root of the repository: what can be measured inside one
// process is measured by the benchmarks of the packages, which it runs with `go
// test`, and OpenFGA beside our checker by bench/openfga, a module of its own.
//
// Ratios are what to look at: both servers are measured in turns, and the ratio
// is the median over pairs of neighbouring rounds. It exits with 1 when a
// promise was missed and with 2 when nothing could be measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// plan is how much is measured.
type plan struct {
	binary      string        // Propusk; "" builds it
	dir         string        // where data goes; "" is the system's folder for temporary files
	profiles    string        // folder for CPU profiles; "" takes none
	rounds      int           // pairs of each contest
	window      time.Duration // of one round
	connections []int
	keys        int // of the big installation; 0 leaves it out
	starts      int
	idle        time.Duration // before memory is looked at
	verifier    time.Duration // of one benchmark
	bindings    int           // of the benchmark of many
	short       bool
	only        string // part to measure; "" measures all
}

const fewKeys = 100

func parse(args []string) (*plan, error) {
	p := &plan{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&p.short, "short", false, "about two minutes instead of eight, with more noise")
	f.StringVar(&p.binary, "propusk", "", "`program` to measure; without it ./cmd/propusk is built")
	f.StringVar(&p.dir, "dir", "", "`folder` for the data; its disk is part of what is measured")
	f.StringVar(&p.profiles, "profile", "", "`folder` for CPU profiles of both servers at 8 connections; nothing else is done")
	f.IntVar(&p.keys, "keys", -1, "`keys` of the big installation; 0 leaves it out (default 100,000, or 20,000 with --short)")
	connections := f.String("connections", "1,8,64", "how `many` connections there are, in turn")
	f.StringVar(&p.only, "only", "", "the one `part` to measure: exchange, growth, start, verify, ask, check, bindings, scan or openfga (with --profile: bare-REST, bare-gRPC, propusk-REST, propusk-gRPC or ask)")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	for word := range strings.SplitSeq(*connections, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 1024 {
			return nil, fmt.Errorf("--connections: %q is not a number from 1 to 1024", word)
		}
		p.connections = append(p.connections, n)
	}
	p.rounds, p.window, p.starts, p.idle, p.verifier = 5, 2*time.Second, 10, 10*time.Second, time.Second
	p.bindings = 1_000_000
	most := 100_000
	if p.short {
		p.rounds, p.window, p.starts, p.idle, p.verifier = 3, 600*time.Millisecond, 5, 3*time.Second, 200*time.Millisecond
		most, p.bindings = 20_000, 100_000
	}
	if p.keys < 0 {
		p.keys = most
	}
	return p, nil
}

// most is how long a run may take in all.
const most = 15 * time.Minute

func main() {
	if len(os.Args) == 6 && os.Args[1] == bareCommand {
		fmt.Fprintln(os.Stderr, runBare(os.Args[2], os.Args[3], os.Args[4], os.Args[5]))
		os.Exit(2)
	}
	p, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	t := &table{}
	if err := p.run(ctx, t); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	t.print(os.Stdout)
	if n := t.missed(); n > 0 {
		fmt.Printf("\n%d promises were missed.\n", n)
		os.Exit(1)
	}
}

func (p *plan) run(ctx context.Context, t *table) error {
	dir, err := os.MkdirTemp(p.dir, "propusk-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if p.binary == "" {
		p.binary = filepath.Join(dir, "propusk")
		say("building Propusk")
		build := exec.CommandContext(ctx, "go", "build", "-tags", "grpcnotrace", "-o", p.binary, "./cmd/propusk") // as make does
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	keys := make([]*weakKey, 16)
	for i := range keys {
		if keys[i], err = newWeakKey(); err != nil {
			return err
		}
	}
	few, err := install(ctx, p.binary, filepath.Join(dir, "few"), fewKeys, keys)
	if err != nil {
		return err
	}
	if p.profiles != "" {
		return p.takeProfiles(ctx, few)
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, *table, *installation) error
	}{{"exchange", p.exchange}, {"growth", p.growth}, {"start", p.start}, {"verify", p.verify}, {"ask", p.accessService},
		{"check", p.check}, {"bindings", p.manyBindings}, {"scan", p.scan}, {"openfga", p.openfga}} {
		if p.only != "" && p.only != part.name {
			continue
		}
		if err := part.run(ctx, t, few); err != nil {
			return err
		}
	}
	return nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func init() {
	// Registers the flags that testing.Benchmark reads; ours are a set apart.
	testing.Init()
}
