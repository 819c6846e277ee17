package profile

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Whether the system's keyring holds secrets: "auto" uses a Secret Service where
// one is running for the person's session, and files elsewhere; "on" insists on
// the system's keyring; "off" writes none there.
const (
	KeyringAuto = "auto"
	KeyringOn   = "on"
	KeyringOff  = "off"

	// EnvKeyring is the variable that says so, before a profile's property keyring.
	EnvKeyring = "YC_KEYRING"
)

var (
	// errNoKeyring is that this machine, or this session, has no keyring at all.
	errNoKeyring = errors.New("there is no system keyring in this session")
	// errLocked is that a person has to unlock it first.
	errLocked = errors.New("the system's keyring is locked: unlock it first")
	// errNoItem is that the keyring has no such secret.
	errNoItem = errors.New("the system's keyring no longer has it")
)

// ring is a system's keyring. Its calls answer quickly or fail; no dialog of it
// is opened.
type ring interface {
	get(item string) ([]byte, error) // errNoItem when it is not there
	put(item, label string, secret []byte) error
	drop(item string) error
}

// Keyring keeps secrets in the system's keyring, when it is to and there is one.
// A nil one keeps nothing.
type Keyring struct {
	mode   string
	prefix string // of items, which tells config files apart
	open   func() (ring, error)
	warn   func(error)

	opened ring
	failed error
}

// OpenKeyring is the keyring for the secrets of the config file at path. Nothing
// is asked of it before there is something to read or to write. warn is called
// when a secret goes into a file because the keyring did not take it.
func OpenKeyring(mode, path string, variable func(string) string, warn func(error)) (*Keyring, error) {
	switch mode {
	case "":
		mode = KeyringAuto
	case KeyringAuto, KeyringOn, KeyringOff:
	default:
		return nil, fmt.Errorf("%q: %s, %s or %s", mode, KeyringAuto, KeyringOn, KeyringOff)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(folder))
	return &Keyring{mode: mode, prefix: hex.EncodeToString(sum[:8]), warn: warn, open: func() (ring, error) { return systemRing(variable) }}, nil
}

func (k *Keyring) reach() (ring, error) {
	if k.opened == nil && k.failed == nil {
		k.opened, k.failed = k.open()
	}
	return k.opened, k.failed
}

// get reads what a file says is in the keyring, whatever the mode is for new secrets.
func (k *Keyring) get(item string) ([]byte, error) {
	r, err := k.reach()
	if err != nil {
		return nil, err
	}
	return r.get(item)
}

// put keeps a secret as a new item and returns its name, or "" when it is to be
// in a file.
func (k *Keyring) put(name, label string, secret []byte) (string, error) {
	if k.mode == KeyringOff || k.mode == KeyringAuto && !ringByDefault {
		return "", nil
	}
	var draw [8]byte
	_, _ = rand.Read(draw[:]) // never fails
	item := k.prefix + "/" + name + "/" + hex.EncodeToString(draw[:])
	r, err := k.reach()
	if err == nil {
		err = r.put(item, label, secret)
	}
	switch {
	case err == nil:
		return item, nil
	case k.mode == KeyringOn:
		return "", fmt.Errorf("%s is on: %w", EnvKeyring, err)
	case !errors.Is(err, errNoKeyring):
		k.warn(err)
	}
	return "", nil
}

// drop forgets an item. One that cannot be reached stays in the keyring, where
// nobody has its name any more. That of another folder, of which this one is a
// copy, is still needed there.
func (k *Keyring) drop(item string) {
	if k == nil || !strings.HasPrefix(item, k.prefix+"/") {
		return
	}
	if r, err := k.reach(); err == nil {
		_ = r.drop(item)
	}
}
