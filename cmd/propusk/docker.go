package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/cli"
	"github.com/propusk/propusk/internal/server"
)

// calledDocker tells whether docker has called the program, by the name that a
// credential helper has there, and what stands behind "docker-credential-".
func calledDocker(name string) (helper string, ok bool) {
	name = name[strings.LastIndexAny(filepath.ToSlash(name), "/")+1:]
	helper, ok = strings.CutPrefix(strings.TrimSuffix(strings.ToLower(name), ".exe"), "docker-credential-")
	return helper, ok && (helper == "propusk" || helper == "yc")
}

// dockerHelper answers docker and returns the exit code.
func (p *program) dockerHelper(ctx context.Context, helper string, args []string) int {
	return cli.DockerHelper(ctx, cli.Environment{Environ: p.environ, Stdin: os.Stdin, Stdout: p.stdout, Stderr: p.stderr,
		Now: time.Now, Version: server.Version()}, helper, args)
}
