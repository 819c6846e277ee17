package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/seal"
)

func keyFile(t testing.TB, id string) (path string, b *seal.Box) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(path, seal.NewMasterKey(id)); err != nil {
		t.Fatal(err)
	}
	return path, load(t, path)
}

func load(t testing.TB, path string) *seal.Box {
	t.Helper()
	b, err := seal.Load(t.Context(), "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A key put on top of the file seals from the next reading on; all that was
// sealed before opens, also when the old line is gone before its time.
func TestAddMasterKey(t *testing.T) {
	path, b := keyFile(t, "m1")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := b.Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.AddMasterKey(path, seal.NewMasterKey("m1")); err == nil || !strings.Contains(err.Error(), `"m1"`) {
		t.Errorf("an id twice: %v", err)
	}
	if err := seal.AddMasterKey(path, seal.NewMasterKey("m2")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left beside the file: %v, %v", left, err)
	}
	if b.SealingKeyID() != "m1" {
		t.Error("a key seals that was not read")
	}
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.KeyIDs(); !slices.Equal(got, []string{"m2", "m1"}) {
		t.Errorf("holds %v", got)
	}
	after, err := b.Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	onlyNew, _, _ := bytes.Cut(text, []byte("\n"))
	if err := os.WriteFile(path, onlyNew, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, path).Open(at, before); !errors.Is(err, seal.ErrUnknownKey) || !strings.Contains(err.Error(), `"m1"`) {
		t.Errorf("the old text in a new box: %v", err)
	}
	for name, sealed := range map[string][]byte{"before": before, "after": after} {
		if got, err := b.Open(at, sealed); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("sealed %s: %v", name, err)
		}
	}
	for what, text := range map[string]string{
		"no key at all":             "# nothing\n",
		"another key under that id": "m2 " + strings.Repeat("A", 43) + "=\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.Reload(t.Context()); err == nil {
			t.Errorf("%s: taken up", what)
		}
		if _, err := b.Open(at, after); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Through a link the file itself is changed, not the link.
func TestAddMasterKeyThroughALink(t *testing.T) {
	path, _ := keyFile(t, "m1")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := seal.AddMasterKey(link, seal.NewMasterKey("m2")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if got := load(t, path).KeyIDs(); !slices.Equal(got, []string{"m2", "m1"}) {
		t.Errorf("holds %v", got)
	}
}

// A box that meets a key that another node seals with looks for it, once a
// second at most, and seals with what it then finds on top.
func TestOpenLooksForAnUnknownKey(t *testing.T) {
	path, here := keyFile(t, "m1")
	elsewhere := filepath.Join(t.TempDir(), "master.key")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(elsewhere, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := seal.AddMasterKey(elsewhere, seal.NewMasterKey("m2")); err != nil {
		t.Fatal(err)
	}
	sealed, err := load(t, elsewhere).Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	text, err = os.ReadFile(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		unknown := func(when string) {
			t.Helper()
			if _, err := here.Open(at, sealed); !errors.Is(err, seal.ErrUnknownKey) || !strings.Contains(err.Error(), `"m2"`) {
				t.Errorf("%s: %v", when, err)
			}
		}
		unknown("before the file has it")
		synctest.Wait() // for the reading to end
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		unknown("within the same second")
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if got, err := here.Open(at, sealed); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("a second later: %v", err)
		}
		if here.SealingKeyID() != "m2" {
			t.Errorf("seals with %s", here.SealingKeyID())
		}
		time.Sleep(2 * time.Second)
	})
}

// Many open and seal while keys are taken up: nothing fails.
func TestReloadUnderLoad(t *testing.T) {
	path, b := keyFile(t, "m0")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				sealed, err := b.Seal(at, secret)
				if err != nil {
					t.Error(err)
					return
				}
				moved, _, err := b.Reseal(at, sealed)
				if err == nil {
					_, err = b.Open(at, moved)
				}
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for _, id := range []string{"m1", "m2", "m3", "m4"} {
		if err := errors.Join(seal.AddMasterKey(path, seal.NewMasterKey(id)), b.Reload(t.Context())); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	all.Wait()
	if b.SealingKeyID() != "m4" {
		t.Errorf("seals with %s", b.SealingKeyID())
	}
}
