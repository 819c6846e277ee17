package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/keyfile"
)

func runJWT(_ context.Context, p *program, args []string) error {
	f := flag.NewFlagSet("propusk jwt", flag.ContinueOnError)
	path := f.String("key", "key.json", "authorized-key file of the service account")
	audience := f.String("audience", keyfile.PublicAudience, "the JWT's aud")
	ttl := f.Duration("ttl", time.Hour, "how long the JWT is good for, at most 1h")
	if err := p.parse(f, args); err != nil {
		return err
	}
	if *ttl <= 0 || *ttl > time.Hour {
		return misuse{fmt.Errorf("--ttl: %v is not above 0 and at most 1h", *ttl)}
	}
	key, err := keyfile.Read(*path)
	if err != nil {
		return err
	}
	jwt, err := keyfile.SignJWT(key, *audience, time.Now(), *ttl)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, jwt.Reveal())
	return nil
}
