package grant

import (
	"crypto/hkdf"
	"crypto/sha512"

	"github.com/propusk/propusk/internal/opaque"
)

// RefreshTokenAfter is the refresh token that comes in the place of one, by a
// secret of the installation: always the same, so that whoever asks twice, at
// once or because an answer was lost, gets one successor and not two. Without
// the secret it cannot be told from a random one.
func RefreshTokenAfter(key []byte, text string) (FreshRefreshToken, error) {
	raw, err := hkdf.Key(sha512.New, []byte(text), key, "refresh token after", opaque.Random+16)
	if err != nil {
		return FreshRefreshToken{}, err
	}
	return freshRefreshToken([opaque.Random + 16]byte(raw)), nil
}
