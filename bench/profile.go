package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const profileTime = 10 * time.Second

// takeProfiles leaves CPU profiles of both servers, for `go tool pprof`.
func (p *plan) takeProfiles(ctx context.Context, few *installation) error {
	if err := os.MkdirAll(p.profiles, 0o755); err != nil {
		return err
	}
	few.profile = true
	if p.only == "ask" {
		return p.profileAsks(ctx, few, p.profiles)
	}
	for _, server := range []struct {
		name  string
		serve func(context.Context) (*running, error)
	}{{"bare", few.serveBare}, {"propusk", few.serve}} {
		r, err := server.serve(ctx)
		if err != nil {
			return err
		}
		for _, d := range []door{r.rest, r.grpc} {
			name := server.name + "-" + d.name
			if p.only != "" && p.only != name {
				continue
			}
			file := filepath.Join(p.profiles, name+".pprof")
			say("%s", file)
			if err = r.profile(ctx, d, file); err != nil {
				break
			}
		}
		r.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *running) profile(ctx context.Context, d door, file string) error {
	failed := make(chan error, 1)
	go func() {
		text, err := r.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(profileTime.Seconds())), 2*profileTime)
		failed <- errors.Join(err, os.WriteFile(file, text, 0o644))
	}()
	until := time.Now().Add(profileTime + time.Second)
	got, err := drive(ctx, r.process, d, 8, func(worker int) numbers { return uniform(fewKeys, worker, until) })
	say("  %d requests, %.1f us of CPU each", got.requests, got.cpu)
	return errors.Join(err, <-failed)
}
