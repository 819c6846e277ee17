package token_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

// seedKey is a signing key that is the same in every run.
func seedKey(seed byte) ed25519.PrivateKey {
	b := make([]byte, ed25519.SeedSize)
	for i := range b {
		b[i] = seed
	}
	return ed25519.NewKeyFromSeed(b)
}

var issued = time.Date(2030, 1, 2, 3, 4, 5, 678e6, time.UTC)

// sample is a service account's token as the mint makes it.
func sample() token.Claims {
	return token.Claims{
		ID: "tok00000000000000001", KeyID: "sik00000000000000001", Installation: "ins00000000000000001",
		IssuedAt: issued, ExpiresAt: issued.Add(12 * time.Hour), Position: 4711,
		SubjectType: token.SubjectServiceAccount, SubjectID: "aje00000000000000001",
		OrganizationID: "bpf00000000000000001", FolderID: "b1g00000000000000001",
		DependsOn: []token.Dependency{
			{Kind: token.KindToken, ID: "tok00000000000000001"},
			{Kind: token.KindSubject, ID: "aje00000000000000001"},
			{Kind: token.KindCredential, ID: "ajk00000000000000001"},
		},
	}
}

func mustSign(t testing.TB, c token.Claims, key ed25519.PrivateKey) string {
	t.Helper()
	s, err := token.Sign(&c, key)
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return s
}

func TestSignParse(t *testing.T) {
	c := sample()
	s := mustSign(t, c, seedKey(1))
	got, err := token.ParseUnverified(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(s), s, got)
}
