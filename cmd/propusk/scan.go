package main

import (
	"context"
	"os"
	"time"

	"github.com/propusk/propusk/internal/cli"
)

func runScan(ctx context.Context, p *program, args []string) error {
	info, err := os.Stdin.Stat()
	interactive := err == nil && info.Mode()&os.ModeCharDevice != 0
	return cli.Scan(ctx, cli.Environment{Environ: p.environ, Stdin: os.Stdin, Stdout: p.stdout, Stderr: p.stderr, Now: time.Now}, interactive, args)
}
