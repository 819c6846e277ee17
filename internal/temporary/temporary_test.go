package temporary_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB, id string, fill byte) *temporary.Key {
	t.Helper()
	secret := make([]byte, temporary.KeySize)
	for i := range secret {
		secret[i] = fill + byte(i)
	}
	k, err := temporary.NewKey(id, secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const keyID = "ajek0000000000000001"

// child is a session of a static key, as they mostly are.
func child() *temporary.Session {
	return &temporary.Session{
		ID: "ajes0000000000000001", KeyID: keyID, AccessKeyID: "YCabcdefghijklmnopqrs-_01", Name: "backup",
		Subject:        iam.Subject{ID: "ajea0000000000000001", Type: iam.TypeServiceAccount},
		OrganizationID: "bpfo0000000000000001", CloudID: "b1gc0000000000000001", FolderID: "b1gf0000000000000001",
		IssuedAt: start, ExpiresAt: start.Add(time.Hour), Position: 4711,
		DependsOn: []token.Dependency{
			{Kind: token.KindSession, ID: "ajes0000000000000001"},
			{Kind: token.KindSubject, ID: "ajea0000000000000001"},
			{Kind: token.KindCredential, ID: "ajep0000000000000001"},
			{Kind: token.KindOrganization, ID: "bpfo0000000000000001"},
			{Kind: token.KindCloud, ID: "b1gc0000000000000001"},
			{Kind: token.KindFolder, ID: "b1gf0000000000000001"},
		},
	}
}

// own is an ephemeral key of a person, with as little as there can be.
func own() *temporary.Session {
	return &temporary.Session{
		ID: "s", KeyID: keyID, AccessKeyID: "ajee0000000000000001", Ephemeral: true,
		Subject:  iam.Subject{ID: "person@example.com", Type: iam.TypeUserAccount},
		IssuedAt: start, ExpiresAt: start.Add(time.Millisecond),
		DependsOn: []token.Dependency{{Kind: token.KindSession, ID: "s"}},
	}
}

// largest is the longest session that there can be.
func largest() *temporary.Session {
	long := func(c string, n int) string { return strings.Repeat(c, n) }
	s := &temporary.Session{
		ID: long("i", 50), KeyID: keyID, AccessKeyID: long("e", 50), Ephemeral: true, Name: long("n", 64), Policy: long("p", 4096),
		Subject: iam.Subject{ID: iam.SubjectID(long("u", 100)), Type: iam.TypeFederatedUser}, OrganizationID: long("o", 50),
		IssuedAt: start, ExpiresAt: start.Add(12 * time.Hour), Position: 1<<64 - 1,
		DependsOn: []token.Dependency{{Kind: token.KindSession, ID: long("i", 50)}},
	}
	for i := range token.MaxDependencies - 1 {
		s.DependsOn = append(s.DependsOn, token.Dependency{Kind: token.KindSubject, ID: fmt.Sprintf("%0100d", i)})
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	k := newKey(t, keyID, 1)
	for name, s := range map[string]*temporary.Session{"child": child(), "own": own(), "largest": largest()} {
		text, secret, err := k.Make(s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if id, err := temporary.KeyOf(text.Reveal()); id != keyID || err != nil {
			t.Errorf("%s: made by %q, %v", name, id, err)
		}
		got, again, err := k.Parse(text.Reveal())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(s, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if secret.Reveal() != again.Reveal() {
			t.Errorf("%s: another secret", name)
		}
		if strings.Contains(text.Reveal(), secret.Reveal()) {
			t.Errorf("%s: the secret stands in the token", name)
		}
	}
}
