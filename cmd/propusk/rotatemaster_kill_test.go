package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/token"
)

const (
	masterRounds = 40
	sealedKeys   = 1200
)

// A rotation of the master key is killed at any moment, done by a command of
// its own and by a server. Afterwards every secret opens: keys prove themselves,
// temporary keys too, ID tokens are made, and who verifies offline goes on. The
// next rotation ends what was left half done, and then the old keys are needed
// no more.
func TestKillWhileMasterKeyRotates(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	v := newSealed(t)
	var whole time.Duration // what a rotation takes
	began := time.Now()
	v.rotate(t)
	whole = time.Since(began)
	if whole > time.Second {
		whole = time.Second
	}
	broken := map[bool]int{}
	rounds := masterRounds
	if *kills > 0 {
		rounds = *kills
	}
	for round := range rounds {
		after := time.Duration(rand.Int64N(int64(whole)))
		bySocket := round%2 == 1
		if v.killed(t, bySocket, after) {
			broken[bySocket]++
		}
		v.check(t)
		if t.Failed() {
			text, _ := os.ReadFile(v.file())
			t.Fatalf("in round %d, killed after %v, by the server: %v; the file has %d lines", round, after, bySocket, bytes.Count(text, []byte("\n")))
		}
	}
	if broken[false] == 0 || broken[true] == 0 {
		t.Errorf("broken off: %v", broken)
	}
	v.rotate(t)
	text, err := os.ReadFile(v.file())
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if err := os.WriteFile(v.file(), first, 0o600); err != nil {
		t.Fatal(err)
	}
	v.check(t)
	if left, err := filepath.Glob(filepath.Join(v.dir, "d", ".master*")); err != nil || len(left) > 0 {
		t.Errorf("copies of keys are left: %q, %v", left, err)
	}
	t.Logf("%d rotations of about %v, of which %d commands and %d servers were killed in the midst; %d master keys", rounds, whole, broken[false], broken[true], bytes.Count(text, []byte("\n")))
}

// sealed is an installation with a secret of every kind that is sealed.
type sealed struct {
	dir, folder string
	admin, key  *keyfile.File
	static      []awsKey
	session     awsKey
	root        []byte
	live        string // an IAM token from before
}

func (v *sealed) file() string { return filepath.Join(v.dir, "d", "master.key") }

func newSealed(t *testing.T) *sealed {
	t.Helper()
	v := &sealed{dir: t.TempDir()}
	p := startDev(t, v.dir)
	v.folder = p.env(t)["FOLDER_ID"]
	v.key, v.admin = readKey(t, v.dir, "d", "key.json"), readKey(t, v.dir, "d", "admin-key.json")
	admin := mustExchange(t, p, v.admin)
	for range sealedKeys {
		_, k, err := p.accessKey(admin, v.key.ServiceAccountID)
		if err != nil {
			t.Fatal(err)
		}
		v.static = append(v.static, k)
	}
	var err error
	if v.session, err = v.static[0].assume(p); err != nil {
		t.Fatal(err)
	}
	v.live = mustExchange(t, p, v.key)
	text, err := propusk(v.dir, "root-key", "--data", "d")
	if err != nil {
		t.Fatal(err)
	}
	if v.root, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err != nil {
		t.Fatal(err)
	}
	v.uses(t, p)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *sealed) rotate(t *testing.T) {
	t.Helper()
	out, err := propusk(v.dir, "rotate-keys", "--data", "d", "--master", "--new-key")
	if err != nil || !bytes.Contains(out, []byte("may be removed")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// killed begins a rotation and kills who does it, the command or the server;
// false when it was through before.
func (v *sealed) killed(t *testing.T, bySocket bool, after time.Duration) bool {
	t.Helper()
	var p *process
	if bySocket {
		p = startDev(t, v.dir)
	}
	cmd := exec.Command("propusk", "rotate-keys", "--data", "d", "--master", "--new-key")
	cmd.Dir = v.dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if bySocket {
		p.kill()
	} else {
		_ = cmd.Process.Kill()
	}
	return cmd.Wait() != nil
}

// check starts a server and uses every secret; before, the database is looked
// through by the operator's own command.
func (v *sealed) check(t *testing.T) {
	t.Helper()
	out, err := propusk(v.dir, "rotate-keys", "--data", "d", "--master", "--check")
	if err != nil || bytes.Contains(out, []byte("does not open")) {
		t.Errorf("%v\n%s", err, out)
		return
	}
	p := startDev(t, v.dir)
	v.uses(t, p)
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

func (v *sealed) uses(t *testing.T, p *process) {
	t.Helper()
	fresh := mustExchange(t, p, v.key)
	for i := 0; i < len(v.static); i += 1 + rand.IntN(240) {
		if _, err := v.static[i].sts(p, whoAmI); err != nil {
			t.Errorf("static key %d: %v", i, err)
		}
	}
	if _, err := v.session.sts(p, whoAmI); err != nil {
		t.Errorf("a session from before: %v", err)
	}
	if _, err := v.static[1].assume(p); err != nil {
		t.Errorf("a new session: %v", err)
	}
	var id struct{ IDToken string }
	if err := told(&id, "POST", "http://"+p.http+"/propusk/v1/idTokens", fresh, `{"audience":"a"}`); err != nil || id.IDToken == "" {
		t.Errorf("an ID token: %v", err)
	}
	verifier, err := token.NewVerifier(token.Config{BaseURL: "http://" + p.http, Root: v.root})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), startLimit)
	defer stop()
	go verifier.Follow(ctx)
	select {
	case <-verifier.Ready():
	case <-ctx.Done():
		t.Fatal("the feed does not verify")
	}
	for _, text := range []string{v.live, fresh} {
		if _, err := verifier.Verify(text); err != nil {
			t.Errorf("a token: %v", err)
		}
	}
}
