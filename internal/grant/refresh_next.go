package grant

import (
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/hex"

	"github.com/propusk/propusk/internal/iam"
)

// RefreshTokenAfter is the refresh token that comes in the place of one, by a
// secret of the installation: always the same, so that whoever asks twice, at
// once or because an answer was lost, gets one successor and not two. Without
// the secret it cannot be told from a random one.
func RefreshTokenAfter(key []byte, text string) (FreshRefreshToken, error) {
	raw, err := hkdf.Key(sha512.New, []byte(text), key, "refresh token after", refreshRandom+16)
	if err != nil {
		return FreshRefreshToken{}, err
	}
	next := refreshTokenOf(raw[:refreshRandom])
	return FreshRefreshToken{Secret: iam.NewSecret(next), ID: uuidOf(raw[refreshRandom:]), Lookup: RefreshTokenLookup(next)}, nil
}

// uuidOf is a UUID whose free bits are those of 16 bytes, RFC 9562 section 5.4.
func uuidOf(b []byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
