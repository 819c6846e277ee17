package resource

import (
	"crypto/rand"
	"encoding/hex"
)

// NewUUID makes a random UUID of version 4 (RFC 9562 section 5.4).
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return UUIDOf(b)
}

// UUIDOf is the UUID of version 4 whose free bits are those of 16 bytes.
func UUIDOf(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
