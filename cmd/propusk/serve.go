package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/propusk/propusk/internal/server"
)

func runServe(ctx context.Context, p *program, args []string) error {
	s, done, err := p.open(ctx, "serve", args, false)
	if err != nil {
		return err
	}
	defer done()
	fmt.Fprintf(p.stderr, "propusk serve: HTTP %s, gRPC %s\n", s.HTTPAddr(), s.GRPCAddr())
	return s.Run(ctx)
}

func runDev(ctx context.Context, p *program, args []string) error {
	s, done, err := p.open(ctx, "dev", args, true)
	if err != nil {
		return err
	}
	defer done()
	p.welcome(s)
	return s.Run(ctx)
}

// open loads the settings and opens a server that logs to standard error.
func (p *program) open(ctx context.Context, name string, args []string, dev bool) (*server.Server, func(), error) {
	cfg, err := server.Load(server.LoadOptions{
		Command: "propusk " + name, Args: args, Environ: p.environ, Dev: dev, Output: p.stdout})
	if err != nil {
		return nil, nil, err
	}
	log, buffer := server.OpenLog(p.stderr, cfg)
	s, err := server.New(ctx, *cfg, server.Options{Dev: dev, Log: log})
	if err != nil {
		buffer.Close()
		return nil, nil, err
	}
	return s, buffer.Close, nil
}

// welcome says where the development server is and what to paste.
func (p *program) welcome(s *server.Server) {
	data := s.DataFolder()
	key := filepath.Join(data, server.DevKeyFile)
	url := "http://" + s.HTTPAddr()
	fmt.Fprintf(p.stdout, `Propusk is running. Everything it made is in %[1]s.

  REST   %[2]s (and https)
  gRPC   %[3]s (TLS and plaintext)
  keys   %[4]s  editor of the folder
         %[5]s  admin of the organization and the cloud
  people alice (owner), bob

Get an IAM token and use it:

  JWT=$(%[6]s jwt --key %[4]s)
  TOKEN=$(curl -s --data "{\"jwt\": \"$JWT\"}" %[2]s/iam/v1/tokens | sed -E 's/.*"iamToken": ?"([^"]*)".*/\1/')
  curl -H "Authorization: Bearer $TOKEN" %[2]s/resource-manager/v1/clouds

For clients that insist on TLS:  export SSL_CERT_FILE=%[7]s
Addresses and ids for scripts:   . %[8]s

`, data, url, s.GRPCAddr(), key, filepath.Join(data, server.DevAdminKeyFile), self(),
		filepath.Join(data, "ca.pem"), filepath.Join(data, server.DevEnvFile))
}

// self is how the user runs this program again: `go run` leaves no file behind.
func self() string {
	exe, err := os.Executable()
	if err != nil || strings.HasPrefix(exe, os.TempDir()) {
		return "go run ./cmd/propusk"
	}
	return exe
}

func runConfig(_ context.Context, p *program, args []string) error {
	cfg, err := server.Load(server.LoadOptions{Command: "propusk config", Args: args, Environ: p.environ, Output: p.stdout})
	if err != nil {
		return err
	}
	return cfg.WriteYAML(p.stdout)
}
