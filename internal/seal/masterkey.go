package seal

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

const (
	maxID      = 32
	maxKeyText = 64 << 10
)

// MasterKey wraps data keys. Printed, it shows its id alone.
type MasterKey struct {
	ID  string // 1 to 32 of a-z, 0-9, - and _
	key [keySize]byte
}

// Format hides the key whatever the verb.
func (k MasterKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "master key "+k.ID) }

// MarshalText hides the key from every text encoding.
func (k MasterKey) MarshalText() ([]byte, error) { return []byte("master key " + k.ID), nil }

// NewMasterKey makes a master key from the system's randomness.
func NewMasterKey(id string) MasterKey {
	k := MasterKey{ID: id}
	_, _ = rand.Read(k.key[:]) // crypto/rand.Read never fails: it ends the program instead
	return k
}

// line is the key in the form that ParseMasterKeys reads.
func (k MasterKey) line() string {
	return k.ID + " " + base64.StdEncoding.EncodeToString(k.key[:]) + "\n"
}

// ParseMasterKeys reads master keys, one a line: an id, white space, and 32
// bytes in standard base64. Empty lines and lines that begin with # are
// skipped. The first key is the one that seals. Errors name the line, never
// what it holds.
func ParseMasterKeys(text []byte) ([]MasterKey, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("master keys: longer than %d bytes", maxKeyText)
	}
	var keys []MasterKey
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("master keys: line %d: want an id and a key", n+1)
		}
		if !legalID(fields[0]) {
			return nil, fmt.Errorf("master keys: line %d: the id must be 1 to %d of a-z, 0-9, - and _", n+1, maxID)
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(fields[1])
		if err != nil || len(raw) != keySize {
			return nil, fmt.Errorf("master keys: line %d: the key must be %d bytes in base64", n+1, keySize)
		}
		keys = append(keys, MasterKey{ID: fields[0], key: [keySize]byte(raw)})
		clear(raw)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("master keys: none given")
	}
	return keys, nil
}

func legalID(id string) bool {
	if len(id) < 1 || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
