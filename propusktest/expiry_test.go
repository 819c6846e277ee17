package propusktest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
	"github.com/propusk/propusk/token"
)

// endOf puts the end of an account where the API would not, without a word to
// anybody: as if its tokens had been made before by a node that did not know.
func endOf(t *testing.T, s *propusktest.Server, id string, end time.Time) {
	t.Helper()
	err := s.Server.DB().Update(t.Context(), func(tx *store.Tx) error {
		a, err := store.GetServiceAccount(tx, id)
		if err != nil {
			return err
		}
		a.ExpiresAt = end
		return store.UpdateServiceAccount(tx, a)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func expiryLines(t *testing.T, s *propusktest.Server) []string {
	t.Helper()
	list, err := s.Server.AuditList(t.Context(), server.AuditListRequest{Type: "propusk.ExpireServiceAccount"})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range list.Events {
		lines = append(lines, string(e))
	}
	return lines
}

// A token that would outlive its account ends with it, for whoever verifies
// offline too, at once or, when no server ran at that moment, with its start.
// Each end is told of once.
func TestTokensEndWithTheirAccount(t *testing.T) {
	for name, down := range map[string]bool{"while the server runs": false, "while no server runs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c clock
			folder := t.TempDir()
			start := func() *propusktest.Server {
				return propusktest.New(t, propusktest.OnDisk(folder), propusktest.WithClock(c.now))
			}
			s := start()
			id, key := keyOf(t, s, "mortal", time.Now().Add(100*time.Hour))
			text, end := s.TokenFor(t, key), time.Now().Add(20*time.Second)
			endOf(t, s, id, end)
			await(t, follow(t, s), text, nil)
			if down {
				s.Stop(t)
			}
			c.forward(30 * time.Second)
			if down {
				s = start()
			}
			await(t, follow(t, s), text, token.ErrRevoked)
			for i := range 2 {
				lines := expiryLines(t, s)
				if len(lines) != 1 || !strings.Contains(lines[0], id) || !strings.Contains(lines[0], s.FolderID) {
					t.Fatalf("the audit log tells of it in %d lines: %v", len(lines), lines)
				}
				if i == 0 {
					s.Stop(t)
					s = start()
				}
			}

			// The end moved away, it works again, with new tokens.
			endOf(t, s, id, end.Add(time.Hour))
			v := follow(t, s)
			await(t, v, s.TokenFor(t, key), nil)
			await(t, v, text, token.ErrRevoked)
		})
	}
}
