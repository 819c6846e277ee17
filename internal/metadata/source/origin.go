package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/keyfile"
)

// Origin is what an account's tokens are made of. It is safe for concurrent use.
type Origin interface {
	// Make makes a new token. What it makes it of is read anew each time.
	Make(ctx context.Context) (iamclient.Token, error)
	// ServiceAccountID is whose tokens they are, "" when only the tokens tell.
	ServiceAccountID() string
}

// versioned is an Origin that can tell of what it makes tokens. When that is
// something else than before, a token is made anew without waiting, and what was
// made by the former is served no more.
type versioned interface{ Version() string }

// KeyFile makes tokens of an authorized-key file. The file is read anew for each
// token, so that a rotated key is taken up; one that cannot be read, or is broken,
// is as if it had not changed.
type KeyFile struct {
	path     string
	exchange func(context.Context, *keyfile.File) (iamclient.Token, error)

	mu     sync.Mutex
	key    *keyfile.File
	seen   fs.FileInfo // of the file when Version was last asked
	files  uint64      // that Version has seen
	broken error
}

// NewKeyFile reads the file at path. It fails as keyfile.Read does.
func NewKeyFile(client *iamclient.Client, path string) (*KeyFile, error) {
	k := &KeyFile{path: path, exchange: client.Exchange}
	if k.reload(); k.key == nil {
		return nil, k.broken
	}
	return k, nil
}

// Make exchanges a JWT that the key has signed.
func (k *KeyFile) Make(ctx context.Context) (iamclient.Token, error) {
	k.reload()
	k.mu.Lock()
	key := k.key
	k.mu.Unlock()
	return k.exchange(ctx, key)
}

// ServiceAccountID is the account of the key that was read last.
func (k *KeyFile) ServiceAccountID() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key.ServiceAccountID
}

// Version is another one each time that another file is found; "" when there is none.
func (k *KeyFile) Version() string {
	now, err := os.Stat(k.path)
	if err != nil {
		return "" // nothing to take up
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !sameFile(now, k.seen) {
		k.seen = now
		k.files++
	}
	return strconv.FormatUint(k.files, 10)
}

func sameFile(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// Broken is why the file is not the one in use; nil when it is.
func (k *KeyFile) Broken() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.broken
}

func (k *KeyFile) reload() {
	text, err := readSmall(k.path)
	var key *keyfile.File
	if err == nil {
		if key, err = keyfile.Parse(text); err != nil {
			err = fmt.Errorf("%s: %w", k.path, err)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken = err; err == nil {
		k.key = key
	}
}

// longestFile bounds what is read of a credential's file.
const longestFile = 64 << 10

// readSmall reads a credential's file. Its errors name the path and never the content.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for ever
		return nil, iam.Errorf(iam.Unavailable, "%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, iam.Wrap(err, iam.Unavailable, "%s cannot be read", path)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestFile+1))
	if err == nil && len(text) > longestFile {
		err = errors.New("too long")
	}
	if err != nil {
		return nil, iam.Wrap(err, iam.Unavailable, "%s cannot be read", path)
	}
	return text, nil
}
