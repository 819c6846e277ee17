package token_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/propusk/propusk/token"
)

// A service that takes IAM tokens. The root key is that of the installation,
// pinned in the service's configuration.
func Example() {
	var root ed25519.PublicKey // 32 bytes, from the configuration

	verifier, err := token.NewVerifier(token.Config{BaseURL: "https://iam.example.com", Root: root})
	if err != nil {
		return // all that is wrong with the configuration
	}
	go verifier.Follow(context.Background())

	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		claims, err := verifier.Verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		switch {
		case errors.Is(err, token.ErrStale): // the server is out of reach; the token may be good
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusUnauthorized)
		default:
			fmt.Fprintf(w, "Hello, %s %s.\n", claims.SubjectType, claims.SubjectID)
		}
	})
}

// The server itself, or a test, feeds a verifier from what it knows.
func ExampleVerifier_Load() {
	verifier, _ := token.NewVerifier(token.Config{Local: true})
	key := seedKey(1)
	s, claims := issueNow(key)

	verifier.Load(token.Snapshot{
		Installation: claims.Installation, Position: 100,
		Keys: []token.PublicKey{{ID: claims.KeyID, Key: public(key)}},
	})
	_, err := verifier.Verify(s)
	fmt.Println(err)

	verifier.Advance(101, []token.Revocation{
		{Kind: token.KindSubject, Hash: token.HashID(token.KindSubject, claims.SubjectID), Seq: 101},
	})
	_, err = verifier.Verify(s)
	fmt.Println(err)
	// Output:
	// <nil>
	// token has been revoked
}
