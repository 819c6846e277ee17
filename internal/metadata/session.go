package metadata

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// sessions makes and checks the session tokens of IMDSv2. A token is nothing but
// its end and a MAC over it and the client's address, so none is kept, none is of
// use from elsewhere, and none outlives the door that made it.
type sessions struct {
	key   [32]byte
	now   func() time.Time
	start time.Time // ends are told from here, by a clock that nobody sets
}

const (
	sessionVersion = 1
	sessionHead    = 1 + 8 + 16 // version, end, nonce
	sessionBytes   = sessionHead + sha256.Size
	sessionText    = sessionBytes / 3 * 4
)

func (s *sessions) make(client netip.Addr, life time.Duration) iam.Secret {
	b := make([]byte, sessionHead, sessionBytes)
	b[0] = sessionVersion
	binary.BigEndian.PutUint64(b[1:], uint64(s.now().Sub(s.start)+life))
	_, _ = rand.Read(b[9:]) // never fails
	b = append(b, s.mac("session", string(b)+client.String())...)
	return iam.NewSecret(base64.RawURLEncoding.EncodeToString(b))
}

// good tells whether the token is one of ours, for this client, before its end.
func (s *sessions) good(text string, client netip.Addr) bool {
	if len(text) != sessionText {
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != sessionBytes || b[0] != sessionVersion {
		return false
	}
	if !hmac.Equal(b[sessionHead:], s.mac("session", string(b[:sessionHead])+client.String())) {
		return false
	}
	return s.now().Sub(s.start) < time.Duration(binary.BigEndian.Uint64(b[1:]))
}

// tag is an ETag for a secret: equal for equal ones, and no help in finding it.
func (s *sessions) tag(secret string) string { return hex.EncodeToString(s.mac("tag", secret)[:8]) }

func (s *sessions) mac(purpose, text string) []byte {
	m := hmac.New(sha256.New, s.key[:])
	m.Write([]byte(purpose + "\x00" + text))
	return m.Sum(nil)
}
