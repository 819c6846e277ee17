package main

import (
	"errors"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

// A verifier elsewhere pins the root key and lives through the server's
// restarts, those by kill -9 too.
func TestVerifierLivesThroughRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	key := readKey(t, dir, "d", "key.json")
	v := follow(t, p, rootKey(t, dir))
	want := func(text string, want error) {
		t.Helper()
		var err error
		for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err = v.Verify(text); errors.Is(err, want) {
				return
			}
		}
		t.Fatalf("the verifier says %v, want %v", err, want)
	}
	kept, revoked := mustExchange(t, p, key), mustExchange(t, p, key)
	want(kept, nil)
	want(revoked, nil)
	if a, err := ask("POST", "http://"+p.http+"/iam/v1/tokens:revoke", kept, `{"iamToken":"`+revoked+`"}`); err != nil || a.code != 200 {
		t.Fatal(a, err)
	}
	want(revoked, token.ErrRevoked)
	for _, end := range []func(){func() { p.kill() }, func() { _ = p.stop() }} {
		before := v.Status()
		end()
		want(revoked, token.ErrRevoked)
		want(kept, nil) // for as long as the verifier may be stale
		p = startDev(t, dir, "--http-listen", p.http)
		fresh := mustExchange(t, p, key)
		want(fresh, nil)
		want(kept, nil)
		want(revoked, token.ErrRevoked)
		if a, err := ask("GET", "http://"+p.http+"/resource-manager/v1/clouds", revoked, ""); err != nil || a.code != 401 {
			t.Errorf("a token revoked before the restart: %v, %v", a, err)
		}
		if a, err := ask("POST", "http://"+p.http+"/iam/v1/tokens:revoke", kept, `{"iamToken":"`+fresh+`"}`); err != nil || a.code != 200 {
			t.Fatal(a, err)
		}
		want(fresh, token.ErrRevoked) // so the feed is being followed again
		if after := v.Status(); after.Position <= before.Position {
			t.Errorf("the verifier's position went from %d to %d", before.Position, after.Position)
		}
	}
}
