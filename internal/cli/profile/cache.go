package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Tokens keeps IAM tokens between commands.
type Tokens struct{ vault }

// TokensOf is the tokens that are kept for the config file at path; without a
// keyring in files alone.
func TokensOf(path string, ring *Keyring) Tokens {
	return Tokens{vaultOf(path, "cache", ring)}
}

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

// Key names a token of a profile by what it was made of, of which nothing can be
// read back.
func Key(profile string, parts ...string) string {
	sum := sha256.Sum256([]byte(profile + "\x00" + strings.Join(parts, "\x00")))
	if CheckName(profile) != nil { // it stands so in a file, and would lead out of the folder
		profile = "unnamed"
	}
	return profile + "-" + hex.EncodeToString(sum[:keyBytes])
}

const keyBytes = 16

// ofProfile is the profile that a key was made for.
func ofProfile(key string) string {
	return key[:max(0, len(key)-2*keyBytes-1)]
}

// Get returns a token that has enough of its life left, or false. What cannot
// be read is as good as not there.
func (t Tokens) Get(key string, now time.Time) (Token, bool) {
	text, err := t.get(key)
	if err != nil {
		return Token{}, false
	}
	kept, ok := parseToken(text)
	return kept, ok && kept.good(now, rand.Float64())
}

func parseToken(text []byte) (Token, bool) {
	var f tokenFile
	if json.Unmarshal(text, &f) != nil || f.Token == "" || strings.ContainsFunc(f.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Token{}, false
	}
	return Token{iam.NewSecret(f.Token), f.IssuedAt, f.ExpiresAt}, true
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
	if unkept = t.prepare(); unkept == nil {
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
	return made, t.keep(key, made), nil
}

// Keep keeps a token in place of the one before.
func (t Tokens) Keep(key string, made Token) error {
	if err := t.prepare(); err != nil {
		return err
	}
	unlock, err := lock(t.path(key)+".lock", lockPatience)
	if err != nil {
		return err
	}
	defer unlock()
	return t.keep(key, made)
}

// longestKept is how long a token stays that nobody renews. All have ended by then.
const longestKept = 7 * 24 * time.Hour

func (t Tokens) keep(key string, made Token) error {
	data, err := json.Marshal(tokenFile{made.Text.Reveal(), made.IssuedAt, made.ExpiresAt})
	if err != nil {
		return fmt.Errorf("keep token: %w", err)
	}
	t.prune(longestKept)
	return t.put(key, "propusk: IAM token of profile "+ofProfile(key), data)
}

// Drop forgets a token, such as one that the server refused.
func (t Tokens) Drop(key string) { t.drop(key) }

// DropOf forgets all tokens of a profile.
func (t Tokens) DropOf(profile string) {
	for _, key := range t.names() {
		if ofProfile(key) == profile {
			t.drop(key)
		}
	}
}
