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
// what is kept is then no longer worth anything: it was revoked.
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
		s.forget()
		if err := s.authenticate(ctx); err != nil {
			return err
		}
	}
	// Without it a client is given the same once more, and no worse.
	if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
		_ = os.WriteFile(path, []byte(asker()), 0o600)
	}
	return nil
}
