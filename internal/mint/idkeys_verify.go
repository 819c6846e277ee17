package mint

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// longestJWT is more than any token that is made here has.
const longestJWT = 64 << 10

var strictText = base64.RawURLEncoding.Strict()

// verify reads a JWT of a type that one of the published keys has signed into
// claims. What it says is looked at when the signature fits and not before.
func (k *IDKeys) verify(ctx context.Context, text, typ string, claims any) error {
	parts := strings.Split(text, ".")
	if len(text) > longestJWT || len(parts) != 3 || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return errAccessToken
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := strictText.DecodeString(p)
		if err != nil {
			return errAccessToken
		}
		raw[i] = b
	}
	var h idHeader
	if json.Unmarshal(raw[0], &h) != nil {
		return errAccessToken
	}
	keys, err := k.ring(ctx, false)
	if err != nil {
		return err
	}
	for _, key := range k.published(keys) {
		if key.ID != h.KeyID {
			continue
		}
		// The header as it is written here and no other: nothing else in it can mean anything.
		own, err := json.Marshal(idHeader{IDAlgorithm, key.ID, typ})
		if err != nil || !bytes.Equal(own, raw[0]) {
			return errAccessToken
		}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if rsa.VerifyPKCS1v15(&key.private.PublicKey, crypto.SHA256, sum[:], raw[2]) != nil || json.Unmarshal(raw[1], claims) != nil {
			return errAccessToken
		}
		return nil
	}
	return errAccessToken
}
