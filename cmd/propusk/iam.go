package main

import "context"

func runIAM(ctx context.Context, p *program, args []string) error {
	return p.client(ctx, "iam", args)
}
