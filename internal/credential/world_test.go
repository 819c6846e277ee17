package credential_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	prepare "github.com/propusk/propusk/internal/pss"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/resource"
)

const (
	keyID     = "ajekey00000000000001"
	otherKey  = "ajekey00000000000002"
	accountID = "ajeacc00000000000001"
	audience  = "https://iam.api.cloud.yandex.net/iam/v1/tokens"
)

var (
	start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	rsaA  = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	rsaB  = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
)

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// world is what the proofs read.
type world struct {
	mu        sync.Mutex
	position  iam.Position
	keys      map[string]*replica.AuthorizedKey
	accounts  map[string]*iam.ServiceAccount
	people    map[string]*iam.UserAccount
	ancestors []resource.Ref
	failing   error
	lookups   []string
}

func prepared(k *rsa.PrivateKey) *prepare.Key {
	p, err := prepare.New(&k.PublicKey)
	if err != nil {
		panic(err)
	}
	return p
}

func newWorld() *world {
	return &world{
		position: 41,
		keys: map[string]*replica.AuthorizedKey{
			keyID:    {Key: iam.Key{ID: keyID, ServiceAccountID: accountID}, Public: prepared(rsaA())},
			otherKey: {Key: iam.Key{ID: otherKey, ServiceAccountID: "ajeacc00000000000002"}, Public: prepared(rsaB())},
		},
		accounts: map[string]*iam.ServiceAccount{
			accountID: {ID: accountID, FolderID: "b1gfolder", Status: iam.ServiceAccountActive},
		},
		people: map[string]*iam.UserAccount{
			"ajeperson": {ID: "ajeperson", Status: iam.UserAccountActive}, personID: {ID: personID, Status: iam.UserAccountActive},
		},
		ancestors: []resource.Ref{
			{Kind: resource.ServiceAccount, ID: accountID}, {Kind: resource.Folder, ID: "b1gfolder"},
			{Kind: resource.Cloud, ID: "b1gcloud"}, {Kind: resource.Organization, ID: "bpforg"},
		},
	}
}

func (w *world) Position() iam.Position { return w.position }

func (w *world) Key(_ context.Context, id string) (*replica.AuthorizedKey, error) {
	w.mu.Lock()
	w.lookups = append(w.lookups, id)
	w.mu.Unlock()
	if w.failing != nil {
		return nil, w.failing
	}
	if k, ok := w.keys[id]; ok {
		return k, nil
	}
	return nil, iam.Errorf(iam.NotFound, "Key %s not found", id)
}

func (w *world) ServiceAccount(_ context.Context, id string) (*iam.ServiceAccount, error) {
	if a, ok := w.accounts[id]; ok {
		return a, nil
	}
	return nil, iam.Errorf(iam.NotFound, "Service account %s not found", id)
}

func (w *world) UserAccount(_ context.Context, id string) (*iam.UserAccount, error) {
	if u, ok := w.people[id]; ok {
		return u, nil
	}
	return nil, iam.Errorf(iam.NotFound, "User account %s not found", id)
}

func (w *world) Ancestors(_ context.Context, id string) ([]resource.Ref, error) {
	if w.ancestors == nil {
		return nil, iam.Errorf(iam.NotFound, "Resource %s not found", id)
	}
	return w.ancestors, nil
}

func prover(t testing.TB, w *world, now time.Time) *credential.JWTKey {
	t.Helper()
	p, err := credential.NewJWTKey(credential.JWTKeyConfig{
		Reads: w, Audiences: []string{audience, "https://iam.example.com/iam/v1/tokens"},
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// draft is a JWT in the making.
type draft struct {
	header, claims any // string: as it is; anything else: JSON
	key            *rsa.PrivateKey
	salt           int
	sign           func(signed string) []byte
}

type object = map[string]any

func good() draft {
	return draft{
		header: object{"alg": "PS256", "kid": keyID, "typ": "JWT"},
		claims: goodClaims(),
		key:    rsaA(), salt: rsa.PSSSaltLengthEqualsHash,
	}
}

func goodClaims() object {
	return object{"iss": accountID, "aud": audience, "iat": start.Unix(), "exp": start.Unix() + 3600}
}

func (d draft) with(name string, value any) draft { d.claims = set(d.claims, name, value); return d }
func (d draft) head(name string, value any) draft { d.header = set(d.header, name, value); return d }

// set copies an object with one member changed, or removed by nil.
func set(part any, name string, value any) any {
	copied := maps.Clone(part.(object))
	if copied[name] = value; value == nil {
		delete(copied, name)
	}
	return copied
}

func (d draft) String() string {
	enc := func(v any) string {
		text, ok := v.(string)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			text = string(b)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	signed := enc(d.header) + "." + enc(d.claims)
	sign := d.sign
	if sign == nil {
		sign = func(s string) []byte { return pss(d.key, s, d.salt) }
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sign(signed))
}

func pss(key *rsa.PrivateKey, signed string, salt int) []byte {
	digest := sha256.Sum256([]byte(signed))
	s, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		panic(err)
	}
	return s
}

// pssNoSalt signs with an empty salt, which crypto/rsa's options cannot ask
// for by 0, as that means the longest.
func pssNoSalt(signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	em := make([]byte, 256)
	h := sha256.New()
	h.Write(make([]byte, 8))
	h.Write(digest[:])
	sum := h.Sum(nil)
	db := em[:256-32-1]
	db[len(db)-1] = 1
	var counter uint32
	for done := 0; done < len(db); counter++ {
		block := sha256.Sum256(append(append([]byte(nil), sum...), byte(counter>>24), byte(counter>>16), byte(counter>>8), byte(counter)))
		for i := 0; i < len(block) && done < len(db); i, done = i+1, done+1 {
			db[done] ^= block[i]
		}
	}
	db[0] &= 0x7f
	copy(em[len(db):], sum)
	em[255] = 0xbc
	m := new(big.Int).SetBytes(em)
	return m.Exp(m, rsaA().D, rsaA().N).FillBytes(make([]byte, 256))
}

func manyClaims(n int) draft {
	d := good()
	c := goodClaims()
	for i := range n {
		c[fmt.Sprintf("claim%d", i)] = i
	}
	d.claims = c
	return d
}

func flip(jwt string) string {
	i := strings.LastIndexByte(jwt, '.') + 10
	c := byte('A')
	if jwt[i] == c {
		c = 'B'
	}
	return jwt[:i] + string(c) + jwt[i+1:]
}

// nextLetter is the last letter of a text with one of its spare bits set.
func nextLetter(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])|1])
}
