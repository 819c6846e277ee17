package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/seal"
)

var (
	at     = seal.Place{Table: "signing_keys", Column: "secret", ID: "k1"}
	secret = []byte("thirty-two bytes of private key!")
)

func box(t testing.TB, first seal.MasterKey, others ...seal.MasterKey) *seal.Box {
	t.Helper()
	b, err := seal.New(first, others...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealThenOpen(t *testing.T) {
	b := box(t, seal.NewMasterKey("m1"))
	for _, plain := range [][]byte{nil, {0}, secret, bytes.Repeat([]byte("x"), 1<<16)} {
		one, err := b.Seal(at, plain)
		if err != nil {
			t.Fatal(err)
		}
		two, _ := b.Seal(at, plain)
		if bytes.Equal(one, two) {
			t.Error("the same text twice")
		}
		got, err := b.Open(at, one)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("open: %d bytes, %v", len(got), err)
		}
	}
}

func TestOpenElsewhereFails(t *testing.T) {
	b := box(t, seal.NewMasterKey("m1"))
	sealed, err := b.Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, place := range map[string]seal.Place{
		"table":   {Table: "access_keys", Column: at.Column, ID: at.ID},
		"column":  {Table: at.Table, Column: "other", ID: at.ID},
		"id":      {Table: at.Table, Column: at.Column, ID: "k2"},
		"shifted": {Table: at.Table, Column: at.Column + at.ID[:1], ID: at.ID[1:]},
	} {
		if _, err := b.Open(place, sealed); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	// The same id, another key.
	if _, err := box(t, seal.NewMasterKey("m1")).Open(at, sealed); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("another master key: %v", err)
	}
	if _, err := box(t, seal.NewMasterKey("m2")).Open(at, sealed); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("a master key not held: %v", err)
	}
}

func TestEveryByteCounts(t *testing.T) {
	b := box(t, seal.NewMasterKey("m1"))
	sealed, err := b.Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for bit := range 8 {
			damaged := bytes.Clone(sealed)
			damaged[i] ^= 1 << bit
			if _, err := b.Open(at, damaged); err == nil {
				t.Fatalf("opens with bit %d of byte %d flipped", bit, i)
			}
		}
		if _, err := b.Open(at, sealed[:i]); err == nil {
			t.Fatalf("opens cut to %d bytes", i)
		}
	}
	if _, err := b.Open(at, append(bytes.Clone(sealed), 0)); err == nil {
		t.Error("opens with a byte appended")
	}
}

func TestReseal(t *testing.T) {
	old, fresh := seal.NewMasterKey("m1"), seal.NewMasterKey("m2")
	sealed, err := box(t, old).Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	b := box(t, fresh, old)
	if got, err := b.Open(at, sealed); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("a held key that does not seal must still open: %v", err)
	}
	moved, changed, err := b.Reseal(at, sealed)
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if id, err := seal.KeyID(moved); err != nil || id != "m2" {
		t.Errorf("sealed under %q, %v", id, err)
	}
	if got, err := box(t, fresh).Open(at, moved); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("without the old key: %v", err)
	}
	if same, changed, err := b.Reseal(at, moved); err != nil || changed || !bytes.Equal(same, moved) {
		t.Errorf("resealing twice: changed %v, %v", changed, err)
	}
	if _, _, err := b.Reseal(seal.Place{}, sealed); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("resealing another's row: %v", err)
	}
}

func TestNew(t *testing.T) {
	for name, keys := range map[string][]seal.MasterKey{
		"no id":    {{}},
		"odd id":   {seal.NewMasterKey("A B")},
		"long id":  {seal.NewMasterKey(strings.Repeat("x", 33))},
		"same ids": {seal.NewMasterKey("m1"), seal.NewMasterKey("m1")},
	} {
		if _, err := seal.New(keys[0], keys[1:]...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	key := seal.NewMasterKey("m1")
	if err := seal.WriteMasterKey(path, key); err != nil {
		t.Fatal(err)
	}
	if err := seal.WriteMasterKey(path, key); err == nil {
		t.Error("a master key was overwritten")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	sealed, err := box(t, key).Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	t.Setenv("PROPUSK_TEST_MASTER", "# two keys\n\n"+"m2 "+strings.Repeat("A", 43)+"=\n"+string(text))

	for source, sealing := range map[string]string{
		"file:" + path:            "m1",
		"env:PROPUSK_TEST_MASTER": "m2",
		"command:cat " + path:     "m1",
	} {
		b, err := seal.Load(t.Context(), source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got, err := b.Open(at, sealed); err != nil || !bytes.Equal(got, secret) || b.SealingKeyID() != sealing {
			t.Errorf("%s: seals with %s, %v", source, b.SealingKeyID(), err)
		}
	}

	open := filepath.Join(dir, "open.key")
	if err := os.WriteFile(open, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"file:" + open:         "chmod 600",
		"file:/no/such":        "no such file",
		"env:PROPUSK_NOT_SET":  "PROPUSK_NOT_SET is not set",
		"command:":             "empty",
		"command:false":        "exit status",
		"vault:x":              "want file:PATH",
		"command:echo hush":    "line 1: want an id",
		"command:echo m1 hush": "line 1: the key must be",
		"command:echo M1 hush": "line 1: the id must be",
		"command:true":         "none given",
	} {
		_, err := seal.Load(t.Context(), source)
		if err == nil || !strings.Contains(err.Error(), want) || (strings.Contains(err.Error(), "hush")) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

func TestMasterKeyHidesItself(t *testing.T) {
	k := seal.NewMasterKey("m1")
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%#v", k), fmt.Sprintf("%x", k), fmt.Sprintf("%+v", &k), string(text)} {
		if strings.Trim(s, `"`) != "master key m1" {
			t.Errorf("shows %q", s)
		}
	}
}

func FuzzOpen(f *testing.F) {
	keys, err := seal.ParseMasterKeys([]byte("m1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
	if err != nil {
		f.Fatal(err)
	}
	b := box(f, keys[0])
	good, _ := b.Seal(at, secret)
	f.Add(good)
	f.Add([]byte{1, 0})
	f.Add([]byte{1, 255, 'm'})
	f.Add(bytes.Repeat([]byte{1}, 200))
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, err := b.Open(at, data)
		if err != nil && plain != nil {
			t.Fatal("a plaintext beside an error")
		}
		if err == nil && !bytes.Equal(plain, secret) {
			t.Fatal("a forged text opens")
		}
		_, _ = seal.KeyID(data)
	})
}

func FuzzParseMasterKeys(f *testing.F) {
	f.Add([]byte("m1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n# x\n"))
	f.Add([]byte("m1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := seal.ParseMasterKeys(data)
		if err == nil && len(keys) == 0 {
			t.Fatal("no keys and no error")
		}
	})
}

// Of several who make a key in one place at the same time one succeeds, and
// the key that is there is his: he may have sealed with it already.
func TestOneMasterKeyIsWritten(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "master.key")
		const writers = 8
		start, written := make(chan struct{}), make(chan string, writers)
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				id := "k" + strconv.Itoa(i)
				<-start
				if seal.WriteMasterKey(path, seal.NewMasterKey(id)) == nil {
					written <- id
				}
			})
		}
		close(start)
		all.Wait()
		close(written)
		var who []string
		for id := range written {
			who = append(who, id)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(who) != 1 || !strings.HasPrefix(string(text), who[0]+" ") {
			t.Fatalf("%v have written a key, and %.2s's is there", who, text)
		}
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) != 1 {
			t.Fatalf("%v is left (%v)", left, err)
		}
	}
}
