package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Tokens keeps IAM tokens between commands, one file each, which only its owner
// may read, in a folder beside the config file.
type Tokens struct{ folder string }

// TokensOf is the tokens that are kept for the config file at path.
func TokensOf(path string) Tokens { return Tokens{filepath.Join(filepath.Dir(path), "cache")} }

// Token is an IAM token that is kept.
type Token struct {
	Text      iam.Secret
	IssuedAt  time.Time // by this machine's clock
	ExpiresAt time.Time // by the server's
}

type tokenFile struct {
	Token     string    `json:"iam_token"`
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Key names a token by what it was made of, of which nothing can be read back.
func Key(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

func (t Tokens) path(key string) string { return filepath.Join(t.folder, key+".json") }

// Get returns a token that has enough of its life left, or false. What cannot
// be read is as good as not there.
func (t Tokens) Get(key string, now time.Time) (Token, bool) {
	in, err := os.Open(t.path(key))
	if err != nil {
		return Token{}, false
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, 64<<10))
	var f tokenFile
	if err != nil || json.Unmarshal(text, &f) != nil || f.Token == "" {
		return Token{}, false
	}
	kept := Token{iam.NewSecret(f.Token), f.IssuedAt, f.ExpiresAt}
	return kept, kept.good(now, rand.Float64())
}

// leastLeft is what a command needs of a token at the least.
const leastLeft = time.Minute

// good tells whether a token is still to be used: a tenth of its life before
// its end it no longer is, and up to a twentieth earlier by chance, so that the
// machines of one installation do not renew theirs in one second.
func (t Token) good(now time.Time, chance float64) bool {
	life := t.ExpiresAt.Sub(t.IssuedAt)
	margin := max(leastLeft, life/10) + time.Duration(chance*float64(life/20))
	// One that comes from the future was kept before the clock was set.
	return now.Before(t.ExpiresAt.Add(-margin)) && !now.Add(time.Hour).Before(t.IssuedAt)
}

// Renew returns what is kept, or else what renew makes, and keeps that. Of
// several processes one renews and the others take what it has made. unkept is
// why the token could not be kept, such as a full disk: the token is good all
// the same.
func (t Tokens) Renew(key string, now func() time.Time, renew func() (Token, error)) (token Token, unkept, err error) {
	if kept, ok := t.Get(key, now()); ok {
		return kept, nil, nil
	}
	unkept = os.MkdirAll(t.folder, 0o700)
	if unkept == nil {
		var unlock func()
		if unlock, unkept = lock(t.path(key)+".lock", lockPatience); unkept == nil {
			defer unlock()
			if kept, ok := t.Get(key, now()); ok {
				return kept, nil, nil
			}
		}
	}
	made, err := renew()
	if err != nil || unkept != nil {
		return made, unkept, err
	}
	data, err := json.Marshal(tokenFile{made.Text.Reveal(), made.IssuedAt, made.ExpiresAt})
	if err != nil {
		return made, nil, fmt.Errorf("keep token: %w", err)
	}
	return made, replace(t.path(key), data), nil
}

// Drop forgets a token, such as one that the server refused.
func (t Tokens) Drop(key string) { _ = os.Remove(t.path(key)) }
