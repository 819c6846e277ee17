package main

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/token"
)

// A master key is replaced while two nodes serve: the other one takes it up by
// itself, and seals under it what it makes from then on.
func TestMasterKeyOnTwoNodes(t *testing.T) {
	t.Parallel()
	n := newNodes(t, pgtest.Shared(t))
	a, b := n.serve(t, "a"), n.second(t)
	onA, onB := mustExchange(t, a, n.owner), mustExchange(t, b, n.owner)
	robot := n.robot(t, a, onA, "robot")
	accessKey := func(p *process, with string) {
		t.Helper()
		var ignored struct{}
		mustTell(t, &ignored, "POST", "http://"+p.http+"/iam/aws-compatibility/v1/accessKeys", with, `{"serviceAccountId":"`+robot.ServiceAccountID+`"}`)
	}
	accessKey(a, onA)
	accessKey(b, onB)
	if out := n.command(t, 0, "rotate-keys", "--data", "a", "--master", "--new-key"); !strings.Contains(out, "to every node") {
		t.Fatalf("a new key for many nodes:\n%s", out)
	}
	file := func(folder string) string { return filepath.Join(n.dir, folder, "master.key") }
	both, err := os.ReadFile(file("a"))
	if err == nil {
		err = os.WriteFile(file("b"), both, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out := n.command(t, 0, "rotate-keys", "--data", "a", "--master")
	if !strings.Contains(out, "access_keys   2 moved") || !strings.Contains(out, "master key first any more") {
		t.Errorf("the rotation prints\n%s", out)
	}
	accessKey(b, onB)
	accessKey(a, onA)
	out = n.command(t, 0, "rotate-keys", "--data", "b", "--master", "--check")
	if !regexp.MustCompile(`(?m)^access_keys +4 under`).MatchString(out) || strings.Contains(out, "under master key first\n") {
		t.Errorf("afterwards\n%s", out)
	}
	for _, p := range []*process{a, b} {
		mustExchange(t, p, n.owner)
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
	fresh, old, _ := strings.Cut(string(both), "\n")
	for folder, text := range map[string]string{"a": fresh, "b": old} {
		if err := os.WriteFile(file(folder), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustExchange(t, n.serve(t, "a"), n.owner)
	id, _, _ := strings.Cut(fresh, " ")
	if out := n.command(t, 1, "rotate-keys", "--data", "b", "--master", "--check"); !strings.Contains(out, `"`+id+`"`) {
		t.Errorf("with the old key alone\n%s", out)
	}
}

// A node that does not get the new master key goes on with what it has opened,
// says that the rest is on its way, in few lines of its log too, and takes the
// key up when it comes, without a restart.
func TestMasterKeyThatIsLate(t *testing.T) {
	t.Parallel()
	n := newNodes(t, pgtest.Shared(t))
	a, b := n.serve(t, "a"), n.second(t)
	onA := mustExchange(t, a, n.owner)
	_, known, err := a.accessKey(onA, n.owner.ServiceAccountID)
	if err != nil {
		t.Fatal(err)
	}
	_, unknown, err := a.accessKey(onA, n.owner.ServiceAccountID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := known.sts(b, whoAmI); err != nil {
		t.Fatal(err)
	}
	n.command(t, 0, "rotate-keys", "--data", "a", "--master", "--new-key")
	n.command(t, 0, "rotate-keys", "--data", "a", "--master")
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		mustExchange(t, b, n.owner)
		if _, err := known.sts(b, whoAmI); err != nil {
			t.Fatalf("a key that was opened before: %v", err)
		}
		if _, err := unknown.sts(b, whoAmI); err == nil || !strings.HasPrefix(err.Error(), "503 ") {
			t.Fatalf("a key that was not: %v", err)
		}
	}
	if lines := strings.Count(b.log(), "background work failed"); lines == 0 || lines > 4 {
		t.Errorf("%d lines tell of background work", lines)
	}
	n.command(t, 1, "rotate-keys", "--data", "b", "--master", "--check")
	text, err := os.ReadFile(filepath.Join(n.dir, "a", "master.key"))
	if err == nil {
		err = os.WriteFile(filepath.Join(n.dir, "b", "master.key"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if _, err := unknown.sts(b, whoAmI); err == nil {
			t.Logf("taken up after %v", time.Since(began))
			break
		} else if time.Since(began) > 5*time.Second {
			t.Fatal(err)
		}
	}
	n.command(t, 0, "rotate-keys", "--data", "b", "--master", "--check")
}

// A token of an account that is suspended or deleted on one node is dead within
// a second on the other, and for who verifies offline by the other's feed.
func TestAccountsEndOnTheOtherNode(t *testing.T) {
	t.Parallel()
	n := newNodes(t, pgtest.Shared(t))
	a, b := n.serve(t, "a"), n.second(t)
	onA := mustExchange(t, a, n.owner)
	root, err := base64.StdEncoding.DecodeString(strings.TrimSpace(n.command(t, 0, "root-key", "--data", "a")))
	if err != nil {
		t.Fatal(err)
	}
	v, err := token.NewVerifier(token.Config{BaseURL: "http://" + b.http, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go v.Follow(ctx)
	<-v.Ready()
	for what, end := range map[string][2]string{"suspended": {"POST", ":suspend"}, "deleted": {"DELETE", ""}} {
		robot := n.robot(t, a, onA, what)
		n.bind(t, a, onA, "ADD", robot.ServiceAccountID)
		text := mustExchange(t, a, robot)
		within(t, "a live token is good on both nodes and offline", func() bool {
			_, err := v.Verify(text)
			return err == nil && n.sees(t, b, text)
		})
		var ignored struct{}
		body := ""
		if end[0] == "POST" {
			body = "{}"
		}
		mustTell(t, &ignored, end[0], "http://"+a.http+"/iam/v1/serviceAccounts/"+robot.ServiceAccountID+end[1], onA, body)
		if n.sees(t, a, text) {
			t.Errorf("%s: alive on the node that did it", what)
		}
		took := within(t, what+": dead on the other node and offline", func() bool {
			_, err := v.Verify(text)
			return errors.Is(err, token.ErrRevoked) && !n.sees(t, b, text)
		})
		t.Logf("%s: dead elsewhere after %v", what, took)
	}
}
