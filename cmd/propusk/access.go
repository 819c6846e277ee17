package main

import (
	"context"
	"os"
	"time"

	"github.com/propusk/propusk/internal/cli"
)

// client runs a command that asks a server over the network.
func (p *program) client(ctx context.Context, noun string, args []string) error {
	return cli.Run(ctx, cli.Environment{Environ: p.environ, Stdin: os.Stdin, Stdout: p.stdout, Stderr: p.stderr, Now: time.Now}, noun, args)
}

func runAccess(ctx context.Context, p *program, args []string) error {
	return p.client(ctx, "access", args)
}
