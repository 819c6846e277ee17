package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/propusk/propusk/internal/cli/profile"
)

// authenticateAgain has a token that a client of Kubernetes was not given before.
// Such a client asks its plugin when it begins, when the token has ended, and when
// the cluster has refused it [client fact: client-go]; what it may not say is which.
// But one that asks a second time while the token is good has been refused, and
// what is kept is then no longer worth anything: it was revoked. Or it is a client
// of several clusters, and the token is good.
func (s *session) authenticateAgain(ctx context.Context) error {
	if err := s.authenticate(ctx); err != nil {
		return err
	}
	if s.env.Parent == 0 || s.profiles == nil || !s.profiles.Has(s.profileName) {
		return nil
	}
	path := filepath.Join(filepath.Dir(s.configPath), "cache", "k8s-asker")
	asker := func() string { return fmt.Sprintf("%d %s\n", s.env.Parent, profile.Key("given", s.bearer.Reveal())) }
	if before, err := os.ReadFile(path); s.kept != "" && err == nil && string(before) == asker() {
		if err := s.renewRefused(ctx); err != nil {
			return err
		}
	}
	// Without it a client is given the same once more, and no worse.
	if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
		_ = os.WriteFile(path, []byte(asker()), 0o600)
	}
	return nil
}

// renewRefused has a new token in place of the kept one, which is lost only once
// there is a new one: a client that was not refused can go on with it.
func (s *session) renewRefused(ctx context.Context) error {
	keys := []string{s.kept}
	if c, err := s.credential(); err == nil && s.impersonate != "" {
		keys = append(keys, s.tokenKey(c, ""))
	}
	before := map[string]profile.Token{}
	for _, key := range keys {
		if kept, ok := s.tokens().Get(key, s.env.Now()); ok {
			before[key] = kept
		}
	}
	s.forget()
	renewal := s.authenticate(ctx)
	if renewal == nil {
		return nil
	}
	for key, kept := range before {
		if _, ok := s.tokens().Get(key, s.env.Now()); !ok {
			_ = s.tokens().Keep(key, kept) // else the next command makes one
		}
	}
	kept, ok := before[keys[0]]
	if !ok || ctx.Err() != nil {
		return renewal
	}
	s.kept, s.bearer, s.expires = keys[0], kept.Text, kept.ExpiresAt
	s.tell("the token that was given before is given again, for there is no new one: %v", renewal)
	return nil
}
