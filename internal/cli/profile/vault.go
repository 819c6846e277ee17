package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// vault keeps secrets by name in a folder beside the config file: each in the
// system's keyring, of which a file says so, or else in a file that only its
// owner may read. A secret is never in both.
type vault struct {
	folder string
	ring   *Keyring // nil: files alone
}

// mostSecret bounds what is kept under a name; what is larger is not ours.
const mostSecret = 64 << 10

// where is what a file holds whose secret is in the keyring.
type where struct {
	Keyring string `json:"keyring"` // name of the item
}

// vaultOf is the folder of that name beside the config file at path. Config
// files beside each other have one each: their profiles may have the same names.
func vaultOf(path, folder string, ring *Keyring) vault {
	if base := filepath.Base(path); base != usualFile {
		folder = base + "." + folder
	}
	return vault{filepath.Join(filepath.Dir(path), folder), ring}
}

func (v vault) path(name string) string { return filepath.Join(v.folder, name+".json") }

// get reads a secret: fs.ErrNotExist when there is none. What others have put
// into the folder, or may have, is refused.
func (v vault) get(name string) ([]byte, error) {
	for before := ""; ; {
		text, err := v.file(name)
		if err != nil {
			return nil, err
		}
		item := inKeyring(text)
		if item == "" {
			return text, nil
		}
		if v.ring == nil {
			return nil, errNoKeyring
		}
		text, err = v.ring.get(item)
		if !errors.Is(err, errNoItem) || item == before {
			return text, err
		}
		before = item // another process may just have put a new one in its place
	}
}

func (v vault) file(name string) ([]byte, error) {
	in, err := openOwn(v.path(name))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, mostSecret+1))
	if err == nil && len(text) > mostSecret {
		err = fmt.Errorf("larger than %d bytes", mostSecret)
	}
	return text, err
}

// inKeyring is the item that a file names; "" when it is the secret itself.
func inKeyring(text []byte) string {
	var w where
	if json.Unmarshal(text, &w) != nil {
		return ""
	}
	return w.Keyring
}

// put keeps a secret in place of the one before. In the keyring it is an item of
// its own, so that whoever reads has the old one whole or the new one.
func (v vault) put(name, label string, secret []byte) error {
	if err := v.prepare(); err != nil {
		return err
	}
	before := v.item(name)
	content, item := secret, ""
	if v.ring != nil {
		var err error
		if item, err = v.ring.put(name, label, secret); err != nil {
			return err
		}
		if item != "" {
			if content, err = json.Marshal(where{item}); err != nil {
				return err
			}
		}
	}
	v.dropTorn(name, longestWrite)
	if err := replace(v.path(name), content); err != nil {
		v.ring.drop(item)
		return err
	}
	if before != item {
		v.ring.drop(before)
	}
	return nil
}

// item is where in the keyring a secret is; "" when it is not there.
func (v vault) item(name string) string {
	text, err := v.file(name)
	if err != nil {
		return ""
	}
	return inKeyring(text)
}

// drop forgets a secret.
func (v vault) drop(name string) {
	item := v.item(name)
	_ = os.Remove(v.path(name))
	v.dropTorn(name, 0)
	v.ring.drop(item)
}

// longestWrite is how long a process may take to put a file into its place.
const longestWrite = time.Minute

// dropTorn removes what processes that were killed have left of a secret, so
// long ago: there may be no lock that is held.
func (v vault) dropTorn(name string, age time.Duration) {
	prefix := strings.TrimSuffix(newOf(v.path(name)), "*")
	left, _ := os.ReadDir(v.folder)
	for _, e := range left {
		if strings.HasPrefix(e.Name(), prefix) && olderThan(e, age) {
			_ = os.Remove(filepath.Join(v.folder, e.Name()))
		}
	}
}

func olderThan(e fs.DirEntry, age time.Duration) bool {
	info, err := e.Info()
	return err == nil && time.Since(info.ModTime()) >= age
}

// mostPruned bounds the files that one command removes: the next one goes on.
const mostPruned = 2000

// prune forgets what nobody has written for so long, with what is beside it.
func (v vault) prune(age time.Duration) {
	all, _ := os.ReadDir(v.folder)
	pruned := 0
	for _, e := range all {
		name := e.Name()
		switch ours := strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".json.lock") || strings.Contains(name, ".json.new-"); {
		case !ours || !e.Type().IsRegular() || !olderThan(e, age):
			continue
		case pruned == mostPruned:
			return
		case strings.HasSuffix(name, ".json.lock"):
			if info, err := os.Stat(filepath.Join(v.folder, strings.TrimSuffix(name, ".lock"))); err == nil && time.Since(info.ModTime()) < age {
				continue // it is of a token that is renewed
			}
		}
		pruned++
		v.ring.drop(v.item(strings.TrimSuffix(name, ".json")))
		_ = os.Remove(filepath.Join(v.folder, name))
	}
}

// names lists what is kept.
func (v vault) names() []string {
	entries, err := os.ReadDir(v.folder)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && e.Type().IsRegular() {
			out = append(out, name)
		}
	}
	return out
}

// prepare makes the folder, which nobody else may look into. One that is
// another's, or leads elsewhere, is refused: its owner would read what is kept,
// or choose it.
func (v vault) prepare() error {
	if err := os.MkdirAll(v.folder, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(v.folder)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder: secrets are not kept behind a link", v.folder)
	case !ownedByMe(info):
		return fmt.Errorf("%s belongs to another user", v.folder)
	case info.Mode().Perm()&0o077 != 0:
		return os.Chmod(v.folder, 0o700)
	}
	return nil
}

// openOwn opens a file that is the person's own, and no link.
func openOwn(path string) (*os.File, error) {
	if info, err := os.Lstat(filepath.Dir(path)); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder: secrets are not read from behind a link", filepath.Dir(path))
	}
	in, err := openNoFollow(path)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no file", path)
	case !ownedByMe(info):
		err = fmt.Errorf("%s belongs to another user", path)
	case writableByOthers(info):
		err = fmt.Errorf("others may write to %s: its mode is %04o", path, info.Mode().Perm())
	}
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	return in, nil
}
