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
	"encoding/binary"
	"errors"
	"fmt"
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
// many goroutines.
type Box struct {
	first string
	held  map[string]cipher.AEAD
}

// New makes a box that seals under the first key and opens under any of them.
func New(first MasterKey, others ...MasterKey) (*Box, error) {
	b := &Box{first: first.ID, held: make(map[string]cipher.AEAD, 1+len(others))}
	for _, k := range append([]MasterKey{first}, others...) {
		if !legalID(k.ID) {
			return nil, fmt.Errorf("seal: master key id %q: 1 to %d of a-z, 0-9, - and _", k.ID, maxID)
		}
		if _, twice := b.held[k.ID]; twice {
			return nil, fmt.Errorf("seal: two master keys with the id %q", k.ID)
		}
		aead, err := newAEAD(k.key[:])
		if err != nil {
			return nil, err
		}
		b.held[k.ID] = aead
	}
	return b, nil
}

// SealingKeyID names the master key that Seal uses.
func (b *Box) SealingKeyID() string { return b.first }

// Seal encrypts a secret for one place, under a data key of its own.
func (b *Box) Seal(at Place, secret []byte) ([]byte, error) {
	var dataKey [keySize]byte
	_, _ = rand.Read(dataKey[:]) // crypto/rand.Read never fails: it ends the program instead
	data, err := newAEAD(dataKey[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, 2+len(b.first)+overhead+len(secret))
	out = append(out, version, byte(len(b.first)))
	out = append(out, b.first...)
	ad := at.additionalData(out)
	out = appendSealed(out, b.held[b.first], dataKey[:], ad)
	return appendSealed(out, data, secret, ad), nil
}

func appendSealed(out []byte, aead cipher.AEAD, plain, ad []byte) []byte {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:])
	out = append(out, nonce[:]...)
	return aead.Seal(out, nonce[:], plain, ad)
}

// Open decrypts what Seal made for the same place. It fails with ErrMalformed,
// ErrUnknownKey or ErrOpen.
func (b *Box) Open(at Place, sealed []byte) ([]byte, error) {
	header, wrapped, body, err := split(sealed)
	if err != nil {
		return nil, err
	}
	master, ok := b.held[string(header[2:])]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknownKey, header[2:])
	}
	ad := at.additionalData(header)
	dataKey, err := master.Open(nil, wrapped[:nonceSize], wrapped[nonceSize:], ad)
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
	if id == b.first {
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
