// Package seal owns secrets at rest: it seals bytes so that they open only
// under a master key that the operator holds, and only in the place they were
// sealed for. What it seals is AES-256-GCM under a fresh data key; the data key
// is wrapped, by AES-256-GCM too, under a master key.
//
// A sealed text is
//
//	version (1 byte, 1) · length of key id (1) · key id ·
//	nonce (12) · wrapped data key (32+16) · nonce (12) · ciphertext (n+16)
//
// and everything before the first nonce, together with the place, is additional
// data of both encryptions.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	version   = 1
	keySize   = 32
	nonceSize = 12
	tagSize   = 16
	overhead  = nonceSize + keySize + tagSize + nonceSize + tagSize
)

// What Open answers; none of them says anything of the plaintext.
var (
	ErrMalformed  = errors.New("seal: not a sealed text")
	ErrUnknownKey = errors.New("seal: sealed under a master key that is not held")
	ErrOpen       = errors.New("seal: does not open here: another place, another key or damaged bytes")
)

// Place is where a sealed text lives: it opens nowhere else, so a row cannot be
// swapped for another.
type Place struct {
	Table, Column, ID string
}

// Box seals and opens under the master keys it holds. It is safe for use by
// many goroutines, also while it takes up other keys.
type Box struct {
	keys atomic.Pointer[keys]

	source  string      // where Reload reads; "" when the keys came from New
	reading sync.Mutex  // one Reload at a time
	resting atomic.Bool // the source was read a moment ago because a key was missing
}

// keys are those of one reading, and all that were held before it.
type keys struct {
	ids  []string // as the source lists them, the first seals
	held map[string]heldKey
}

type heldKey struct {
	key  [keySize]byte
	aead cipher.AEAD
}

// New makes a box that seals under the first key and opens under any of them.
func New(first MasterKey, others ...MasterKey) (*Box, error) {
	b := &Box{}
	if err := b.replace(append([]MasterKey{first}, others...)); err != nil {
		return nil, err
	}
	return b, nil
}

// replace takes up keys, of which the first seals from now on. Those held
// before go on opening: to forget one is to lose what it sealed.
func (b *Box) replace(list []MasterKey) error {
	next := &keys{held: make(map[string]heldKey, len(list))}
	for _, k := range list {
		if !legalID(k.ID) {
			return fmt.Errorf("seal: master key id %q: 1 to %d of a-z, 0-9, - and _", k.ID, maxID)
		}
		if _, twice := next.held[k.ID]; twice {
			return fmt.Errorf("seal: two master keys with the id %q", k.ID)
		}
		aead, err := newAEAD(k.key[:])
		if err != nil {
			return err
		}
		next.ids = append(next.ids, k.ID)
		next.held[k.ID] = heldKey{key: k.key, aead: aead}
	}
	if before := b.keys.Load(); before != nil {
		for id, old := range before.held {
			now, ok := next.held[id]
			if ok && subtle.ConstantTimeCompare(old.key[:], now.key[:]) != 1 {
				return fmt.Errorf("seal: master key %q is another one than it was: give the new key an id of its own", id)
			}
			next.held[id] = old
		}
	}
	b.keys.Store(next)
	return nil
}

// SealingKeyID names the master key that Seal uses.
func (b *Box) SealingKeyID() string { return b.keys.Load().ids[0] }

// KeyIDs names the master keys as the source listed them last; the first seals.
func (b *Box) KeyIDs() []string { return b.keys.Load().ids }

// Seal encrypts a secret for one place, under a data key of its own.
func (b *Box) Seal(at Place, secret []byte) ([]byte, error) {
	var dataKey [keySize]byte
	_, _ = rand.Read(dataKey[:]) // crypto/rand.Read never fails: it ends the program instead
	data, err := newAEAD(dataKey[:])
	if err != nil {
		return nil, err
	}
	keys := b.keys.Load()
	first := keys.ids[0]
	out := make([]byte, 0, 2+len(first)+overhead+len(secret))
	out = append(out, version, byte(len(first)))
	out = append(out, first...)
	ad := at.additionalData(out)
	out = appendSealed(out, keys.held[first].aead, dataKey[:], ad)
	return appendSealed(out, data, secret, ad), nil
}

func appendSealed(out []byte, aead cipher.AEAD, plain, ad []byte) []byte {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:])
	out = append(out, nonce[:]...)
	return aead.Seal(out, nonce[:], plain, ad)
}

// Open decrypts what Seal made for the same place. It fails with ErrMalformed,
// ErrUnknownKey or ErrOpen. A key that is not held is first looked for in the
// source, once a second at most: another node may have begun to seal under it.
func (b *Box) Open(at Place, sealed []byte) ([]byte, error) {
	header, wrapped, body, err := split(sealed)
	if err != nil {
		return nil, err
	}
	master, err := b.key(string(header[2:]))
	if err != nil {
		return nil, err
	}
	ad := at.additionalData(header)
	dataKey, err := master.aead.Open(nil, wrapped[:nonceSize], wrapped[nonceSize:], ad)
	if err != nil || len(dataKey) != keySize {
		return nil, ErrOpen
	}
	data, err := newAEAD(dataKey)
	if err != nil {
		return nil, err
	}
	secret, err := data.Open(nil, body[:nonceSize], body[nonceSize:], ad)
	if err != nil {
		return nil, ErrOpen
	}
	return secret, nil
}

// KeyID names the master key that a text was sealed under.
func KeyID(sealed []byte) (string, error) {
	header, _, _, err := split(sealed)
	if err != nil {
		return "", err
	}
	return string(header[2:]), nil
}

// Reseal moves a text under the master key that seals now. The second result is
// false when it was there already and the text is returned as it came.
func (b *Box) Reseal(at Place, sealed []byte) ([]byte, bool, error) {
	id, err := KeyID(sealed)
	if err != nil {
		return nil, false, err
	}
	if id == b.SealingKeyID() {
		return sealed, false, nil
	}
	secret, err := b.Open(at, sealed)
	if err != nil {
		return nil, false, err
	}
	defer clear(secret)
	out, err := b.Seal(at, secret)
	return out, err == nil, err
}

// split cuts a sealed text into header, wrapped data key and body, each with
// its nonce in front. It accepts exactly the lengths that Seal can make.
func split(sealed []byte) (header, wrapped, body []byte, err error) {
	if len(sealed) < 2 || sealed[0] != version {
		return nil, nil, nil, ErrMalformed
	}
	end := 2 + int(sealed[1])
	if len(sealed) < end+overhead || !legalID(string(sealed[2:end])) {
		return nil, nil, nil, ErrMalformed
	}
	cut := end + nonceSize + keySize + tagSize
	return sealed[:end:end], sealed[end:cut], sealed[cut:], nil
}

// additionalData binds header and place; every part carries its length, so no
// two places can spell the same bytes.
func (p Place) additionalData(header []byte) []byte {
	ad := make([]byte, 0, len(header)+12+len(p.Table)+len(p.Column)+len(p.ID))
	ad = append(ad, header...)
	for _, part := range []string{p.Table, p.Column, p.ID} {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(part)))
		ad = append(ad, part...)
	}
	return ad
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead, nil
}
