package leakapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/resource"
)

// tellOwner leaves the event that a credential was found, where its owner reads
// it, and returns when it is durable. Hosts report the same finding with every
// push: one finder tells of one credential in one place once a day.
func (s *Service) tellOwner(ctx context.Context, f *found, uri, source string) error {
	call := gate.From(ctx)
	id := findingID(string(call.Caller().ID), source, string(f.kind), f.id, uri, fmt.Sprint(f.half))
	now := s.Now()
	if s.told.lately(id, now) {
		return nil
	}
	for _, path := range append([][]resource.Ref{f.path}, f.others...) {
		e := gate.EventOf(call, nil)
		e.Type = audit.TypeOf("iam.DetectLeakedCredential")
		for i := len(path) - 1; i >= 0; i-- {
			e.Resource.Path = append(e.Resource.Path, audit.Place{Type: string(path[i].Kind), ID: path[i].ID})
		}
		e.Details = f.details(uri, source)
		if err := s.Record(e); err != nil {
			return err
		}
	}
	s.told.note(id, now)
	return nil
}

// details are what an event tells of a finding [API fact: who leaked secrets are
// shown to reads part of the secret and the address].
func (f *found) details(uri, source string) audit.Details {
	d := audit.Details{
		audit.Text("leak_source_id", source), audit.Text("uri", concealURI(uri)),
		audit.Text("credential_type", string(f.kind)), audit.Text("credential_id", f.id), audit.Text("masked_secret", f.mask),
		audit.Text("subject_id", string(f.subject.ID)),
	}
	if f.subject.Type == iam.TypeServiceAccount {
		d = append(d, audit.Text("service_account_id", string(f.subject.ID)), audit.Text("service_account_name", f.name))
	}
	if f.kind == leak.OAuthClientSecret {
		d = append(d, audit.Text("oauth_client_id", string(f.subject.ID)), audit.Text("oauth_client_name", f.name))
	}
	if f.half {
		d = append(d, audit.Text("shown", "public key"))
	}
	return d
}

// Bounds of what is remembered: half a megabyte when full.
const (
	toldOnceIn = 24 * time.Hour
	maxTold    = 1 << 13
)

// told remembers on this node, in memory, what owners were told. What it forgets
// is told again, which is the better mistake.
type told struct {
	mu sync.Mutex
	at map[[16]byte]time.Time
}

func findingID(parts ...string) [16]byte {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return [16]byte(sum[:16])
}

func (t *told) lately(id [16]byte, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.at[id]
	return ok && now.Before(at.Add(toldOnceIn))
}

func (t *told) note(id [16]byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil || len(t.at) >= maxTold {
		t.at = map[[16]byte]time.Time{}
	}
	t.at[id] = now
}
