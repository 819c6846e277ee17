package main

import (
	"context"

	"github.com/propusk/propusk/internal/server"
)

func runServe(ctx context.Context, p *program, args []string) error {
	s, done, err := p.open(ctx, "serve", args, false)
	if err != nil {
		return err
	}
	defer done()
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
	tuneMemory(cfg)
	log, buffer := server.OpenLog(p.stderr, cfg)
	s, err := server.New(ctx, *cfg, server.Options{Dev: dev, Log: log})
	if err != nil {
		buffer.Close()
		return nil, nil, err
	}
	return s, buffer.Close, nil
}

func runConfig(ctx context.Context, p *program, args []string) error {
	if isClientConfig(args) {
		return treeOf("config")(ctx, p, args)
	}
	cfg, err := server.Load(server.LoadOptions{Command: "propusk config", Args: args, Environ: p.environ, Output: p.stdout})
	if err != nil {
		return err
	}
	return cfg.WriteYAML(p.stdout)
}
