package leak_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

// samples makes fresh credentials: those that Propusk makes by the code that
// makes them, the others as the API describes them.
var samples = map[leak.Kind]func(testing.TB) string{
	leak.IAMToken:          iamToken,
	leak.IAMCookie:         func(testing.TB) string { return "c1." + anyPayload() + "." + text64(64) },
	leak.RefreshToken:      func(testing.TB) string { return "rt1." + anyPayload() + "." + text64(64) },
	leak.SessionToken:      sessionToken,
	leak.APIKey:            func(testing.TB) string { s, _ := credential.NewAPIKey(); return s.Reveal() },
	leak.AccessSecret:      accessSecret,
	leak.AuthorizedKey:     authorizedKey,
	leak.OAuthToken:        func(testing.TB) string { return oauthToken() },
	leak.OAuthClientSecret: func(testing.TB) string { return clientSecret() },
	leak.CaptchaKey:        func(testing.TB) string { return captchaKey() },
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func text64(n int) string { return base64.RawURLEncoding.EncodeToString(random(n)) }

// anyPayload is a token's payload of 200 to 7,910 characters, mostly short.
func anyPayload() string {
	n := 200 + mathrand.IntN(400)
	if mathrand.IntN(50) == 0 {
		n = 200 + mathrand.IntN(7711)
	}
	return text64(n)[:n] + strings.Repeat("=", mathrand.IntN(3))
}

var signingKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func randomID(prefix string) string { return prefix + hex.EncodeToString(random(10))[:17] }

func iamToken(t testing.TB) string {
	t.Helper()
	id, subject, now := randomID("aje"), randomID("aje"), time.Now()
	text, err := token.Sign(&token.Claims{
		ID: id, KeyID: randomID("aje"), Installation: randomID("ins"), IssuedAt: now, ExpiresAt: now.Add(12 * time.Hour),
		Position: 4711, SubjectType: token.SubjectServiceAccount, SubjectID: subject, OrganizationID: randomID("bpf"), FolderID: randomID("b1g"),
		DependsOn: []token.Dependency{{Kind: token.KindToken, ID: id}, {Kind: token.KindSubject, ID: subject}},
	}, signingKey)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func sessionToken(t testing.TB) string {
	t.Helper()
	token, _ := temporaryKey(t, mathrand.IntN(2) == 0)
	return token
}

// accessSecret is of a static key, or of a temporary one made of it.
func accessSecret(t testing.TB) string {
	t.Helper()
	if mathrand.IntN(2) == 0 {
		_, secret := temporaryKey(t, false)
		return secret
	}
	_, secret := credential.NewAccessKey()
	return secret.Reveal()
}

// temporaryKey is one of the STS door or an ephemeral one.
func temporaryKey(t testing.TB, ephemeral bool) (token, secret string) {
	t.Helper()
	key, err := temporary.NewKey(randomID("aje"), random(temporary.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	text, private, err := key.Make(session(ephemeral))
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal(), private.Reveal()
}

func session(ephemeral bool) *temporary.Session {
	id, subject, now := randomID("aje"), randomID("aje"), time.Now()
	accessKeyID, _ := credential.NewAccessKey()
	if ephemeral {
		accessKeyID = randomID("aje")
	}
	return &temporary.Session{
		ID: id, AccessKeyID: accessKeyID, Ephemeral: ephemeral, Name: "backup", Subject: iam.Subject{ID: iam.SubjectID(subject), Type: iam.TypeServiceAccount},
		OrganizationID: randomID("bpf"), CloudID: randomID("b1g"), FolderID: randomID("b1g"),
		IssuedAt: now, ExpiresAt: now.Add(time.Hour), Position: 4711,
		Policy:    strings.Repeat("p", mathrand.IntN(1000)),
		DependsOn: []token.Dependency{{Kind: token.KindSession, ID: id}, {Kind: token.KindSubject, ID: subject}},
	}
}

// pair is one RSA pair for all samples: pairs take long to make, and it is the
// key's id that differs.
var pair = sync.OnceValues(func() (func(string) string, error) {
	key, err := keyfile.Generate(iam.RSA2048)
	return func(id string) string {
		text, err := keyfile.PrivateKeyText(id, key)
		if err != nil {
			panic(err)
		}
		return strings.TrimSuffix(text.Reveal(), "\n")
	}, err
})

func authorizedKey(t testing.TB) string {
	t.Helper()
	write, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	return write(randomID("aje"))
}

// oauthToken is one of ours, or one of the public cloud: that has 55 to 199
// characters after its prefix, of which base64 has no length that leaves one
// over four.
func oauthToken() string {
	if mathrand.IntN(2) == 0 {
		secret, _ := credential.NewOAuthToken()
		return secret.Reveal()
	}
	n := 42 + mathrand.IntN(149-42+1)
	if base64.RawURLEncoding.EncodedLen(n) < 55 {
		n = 42
	}
	raw := random(n)
	binary.BigEndian.PutUint32(raw[n-4:], crc32.ChecksumIEEE(raw[:n-4]))
	return fmt.Sprintf("y%d_%s", mathrand.IntN(7), base64.RawURLEncoding.EncodeToString(raw))
}

// clientSecret is made as we make them, and as the API describes them: both are one form.
func clientSecret() string {
	if mathrand.IntN(2) == 0 {
		secret, _ := credential.NewOAuthClientSecret()
		return secret.Reveal()
	}
	text := "yccs__" + hex.EncodeToString(random(32)) + "_"
	return text + fmt.Sprintf("%08x", leak.Murmur3([]byte(text)))
}

func captchaKey() string {
	text := "ysc2_" + strings.NewReplacer("-", "a", "_", "b").Replace(text64(30))
	return text + fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text)))
}
