package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// What looking for leaked credentials may take, on one core.
const (
	scanPromise = 200 // MB a second
	gigabyte    = 5   // seconds a GB
)

// scan measures the search for credentials: in memory, and by the program over
// the sources of Go and of our dependencies, read before so that no disk is
// measured.
func (p *plan) scan(ctx context.Context, t *table, _ *installation) error {
	say("scan")
	at, count := "1s", 3
	if p.short {
		at = "200ms"
	}
	found, err := goBench(ctx, "./internal/leak", "BenchmarkFind$", at, count)
	if err != nil {
		return err
	}
	t.heading("propusk scan, one core")
	for _, c := range []struct {
		name, text string
		promised   bool
	}{
		{"goroot", "in memory, Go's source", true}, {"base64lines", "in memory, base64 in lines", true}, {"hostile", "in memory, beginnings of keys alone", false},
	} {
		m, ok := found["BenchmarkFind/"+c.name]
		if !ok {
			return fmt.Errorf("BenchmarkFind/%s was not run", c.name)
		}
		r := row{what: "  " + c.text + ", MB a second of CPU", ours: fmt.Sprintf("%.0f", m.most("MB/cpu-s"))}
		if c.promised {
			r.promise, r.kept = fmt.Sprintf(">= %d", scanPromise), m.most("MB/cpu-s") >= scanPromise
		}
		t.add(r)
	}
	return p.scanSources(ctx, t)
}

func (p *plan) scanSources(ctx context.Context, t *table) error {
	text, err := output(ctx, ".", "go", "env", "GOROOT", "GOMODCACHE")
	if err != nil {
		return err
	}
	roots := strings.Fields(text)
	var wall, cpu time.Duration
	var seen struct{ Files, Bytes int64 }
	for range 3 {
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, p.binary, append([]string{"scan", "--format", "json"}, roots...)...)
		cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "GOMAXPROCS=1"), &out, os.Stderr
		began := time.Now()
		if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 1 { // 1: something was found
			return fmt.Errorf("%s: %w", cmd, err)
		}
		if took := time.Since(began); wall == 0 || took < wall {
			wall = took
		}
		if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); cpu == 0 || used < cpu {
			cpu = used
		}
		if err := json.Unmarshal(out.Bytes(), &seen); err != nil {
			return fmt.Errorf("%s: %w", cmd, err)
		}
	}
	gigabytes := float64(seen.Bytes) / 1e9
	t.add(row{what: fmt.Sprintf("  %d files, %.1f GB, s of CPU a GB", seen.Files, gigabytes), ours: fmt.Sprintf("%.2f", cpu.Seconds()/gigabytes),
		promise: fmt.Sprintf("<= %d", gigabyte), kept: seen.Bytes > 0 && cpu.Seconds()/gigabytes <= gigabyte})
	t.add(row{what: "  on the clock, s a GB", ours: fmt.Sprintf("%.2f", wall.Seconds()/gigabytes)})
	return nil
}
