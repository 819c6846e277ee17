//go:build darwin || windows

package profile

import (
	"errors"

	"github.com/zalando/go-keyring"
)

// ringByDefault: it is for those who insist. On macOS each question starts a
// program, which takes longer than most commands do.
const ringByDefault = false

func systemRing(func(string) string) (ring, error) { return nativeRing{}, nil }

// nativeRing is Keychain or the Credential Manager.
type nativeRing struct{}

const ringService = "propusk"

func (nativeRing) get(item string) ([]byte, error) {
	text, err := keyring.Get(ringService, item)
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, errNoItem
	}
	return []byte(text), err
}

func (nativeRing) put(item, _ string, secret []byte) error {
	return keyring.Set(ringService, item, string(secret))
}

func (nativeRing) drop(item string) error { return keyring.Delete(ringService, item) }
