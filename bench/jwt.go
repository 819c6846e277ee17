package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/keyfile"
)

// signer is one authorized key of one service account.
type signer struct {
	keyID, accountID string
	key              *weakKey
}

// jwt makes what SDKs send: good for an hour, without "jti".
func (s *signer) jwt(now time.Time) string {
	header := fmt.Sprintf(`{"typ":"JWT","alg":"PS256","kid":%q}`, s.keyID)
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"iat":%d,"exp":%d}`,
		s.accountID, keyfile.PublicAudience, now.Unix(), now.Add(time.Hour).Unix())
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
	return signed + "." + b64.EncodeToString(s.key.signPSS(sha256.Sum256([]byte(signed))))
}

// signAll makes one JWT for each signer, on all processors.
func signAll(signers []signer, now time.Time) []string {
	jwts := make([]string, len(signers))
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wait.Go(func() {
			for i := w; i < len(signers); i += workers {
				jwts[i] = signers[i].jwt(now)
			}
		})
	}
	wait.Wait()
	return jwts
}
