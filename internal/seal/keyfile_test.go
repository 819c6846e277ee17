package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/seal"
)

// Of keys that are put into a file at the same time, as by two nodes that share
// it, none is lost: a command that would lose another's refuses.
func TestAddMasterKeyTogether(t *testing.T) {
	path, _ := keyFile(t, "m")
	var all sync.WaitGroup
	var mu sync.Mutex
	want := []string{"m"}
	var refused atomic.Int64
	for worker := range 8 {
		all.Go(func() {
			for n := range 8 {
				id := fmt.Sprintf("m%d-%d", worker, n)
				for {
					err := seal.AddMasterKey(path, seal.NewMasterKey(id))
					if err == nil {
						break
					}
					if !strings.Contains(err.Error(), "try again") {
						t.Error(err)
						return
					}
					refused.Add(1)
				}
				mu.Lock()
				want = append(want, id)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	got := load(t, path).KeyIDs()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d keys were put there, the file holds %d", len(want), len(got))
	}
	t.Logf("%d refused", refused.Load())
}

// What a command that was killed has left beside the file, keys and all, goes
// with the next one.
func TestLeftoversGo(t *testing.T) {
	path, _ := keyFile(t, "m1")
	folder := filepath.Dir(path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".master.key.1.new", ".other.key.1.new", "master.key.old"} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := seal.AddMasterKey(path, seal.NewMasterKey("m2")); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".other.key.1.new", "master.key", "master.key.old"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %q, %v, want %q", left, err, want)
	}
}

// What others have written in the file stays as it is, byte for byte.
func TestAddMasterKeyKeepsTheRest(t *testing.T) {
	path, _ := keyFile(t, "m1")
	line, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(string(line))
	for name, text := range map[string]string{
		"comments":           "# of the first year\n\n" + key + "\n# end",
		"lines end in CR LF": "# of the first year\r\n" + key + "\r\n",
		"no end of line":     key,
		"tabs":               "\t" + strings.Replace(key, " ", "\t", 1) + " \n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := seal.AddMasterKey(path, seal.NewMasterKey("m2")); err != nil {
				t.Fatal(err)
			}
			now, err := os.ReadFile(path)
			first, rest, _ := bytes.Cut(now, []byte("\n"))
			if err != nil || !bytes.HasPrefix(first, []byte("m2 ")) || string(rest) != text {
				t.Errorf("%v: after the first line is\n%q, want\n%q", err, rest, text)
			}
			if got := load(t, path).KeyIDs(); !slices.Equal(got, []string{"m2", "m1"}) {
				t.Errorf("holds %v", got)
			}
		})
	}
}

// A program that leaves another one behind, which holds its output open, does
// not keep the server waiting for that one's end.
func TestCommandThatLeavesAnotherBehind(t *testing.T) {
	path, _ := keyFile(t, "m1")
	script := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 20 &\nexec cat "+path+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	b, err := seal.Load(t.Context(), "command:"+script)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if err != nil || b.SealingKeyID() != "m1" {
		t.Errorf("%v", err)
	}
}

// What the source says now is told apart from what a box has held before.
func TestFresh(t *testing.T) {
	path, b := keyFile(t, "m1")
	sealed, err := b.Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := seal.WriteMasterKey(path, seal.NewMasterKey("m2")); err != nil {
		t.Fatal(err)
	}
	now, err := b.Fresh(t.Context())
	if err != nil || !slices.Equal(now.KeyIDs(), []string{"m2"}) {
		t.Fatalf("%v", err)
	}
	if _, err := now.Open(at, sealed); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("a text under a key that is gone: %v", err)
	}
	if got, err := b.Open(at, sealed); err != nil || !bytes.Equal(got, secret) || b.SealingKeyID() != "m1" {
		t.Errorf("the box itself: %v, seals with %s", err, b.SealingKeyID())
	}
	memory, err := seal.New(seal.NewMasterKey("m3"))
	if err != nil {
		t.Fatal(err)
	}
	if same, err := memory.Fresh(t.Context()); err != nil || same != memory {
		t.Errorf("of a box without a source: %v", err)
	}
}
