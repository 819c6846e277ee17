package temporary_test

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
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
	s.DependsOn = append(s.DependsOn, token.Dependency{Kind: token.KindSigningKey, ID: keyID})
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

func made(t testing.TB, k *temporary.Key, s *temporary.Session) (text, secret string) {
	t.Helper()
	a, b, err := k.Make(s)
	if err != nil {
		t.Fatal(err)
	}
	return a.Reveal(), b.Reveal()
}

// The published patterns find what is made here, and checksums are good.
func TestForms(t *testing.T) {
	k := newKey(t, keyID, 1)
	token := regexp.MustCompile(`^s1\.[A-Z0-9a-z_-]+\.[A-Z0-9a-z_-]{86}$`)
	static, ephemeral := regexp.MustCompile(`^YC[a-zA-Z0-9_-]{38}$`), regexp.MustCompile(`^YC[a-zA-Z0-9_-]{41}$`)
	seen := map[string]bool{}
	for i := range 2000 {
		for _, s := range []*temporary.Session{child(), own()} {
			s.IssuedAt = start.Add(time.Duration(i) * time.Millisecond)
			s.ExpiresAt = s.IssuedAt.Add(time.Hour)
			text, secret := made(t, k, s)
			if !token.MatchString(text) || seen[text] || seen[secret] {
				t.Fatalf("token %q", text)
			}
			seen[text], seen[secret] = true, true
			if s.Ephemeral {
				if !ephemeral.MatchString(secret) {
					t.Fatalf("the secret of an ephemeral key has %d characters", len(secret))
				}
				continue
			}
			raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
			if err != nil || !static.MatchString(secret) ||
				binary.BigEndian.Uint32(raw[26:]) != crc32.Checksum(raw[:26], crc32.MakeTable(crc32.Castagnoli)) {
				t.Fatalf("the secret of a child: %d characters, %v", len(secret), err)
			}
		}
	}
}

// A token without a policy is about as long as the API's.
func TestLengths(t *testing.T) {
	k := newKey(t, keyID, 1)
	usual := child()
	usual.Name = ""
	for name, c := range map[string]struct {
		s           *temporary.Session
		least, most int
	}{
		"the shortest": {own(), temporary.MinLength, temporary.MinLength},
		"a child":      {usual, temporary.MinLength, 320},
		"the longest":  {largest(), 7000, temporary.MaxLength},
	} {
		if text, _ := made(t, k, c.s); len(text) < c.least || len(text) > c.most {
			t.Errorf("%s has %d characters, want %d to %d", name, len(text), c.least, c.most)
		}
	}
	if temporary.MinLength != 285 || temporary.MaxLength > 8192 {
		t.Errorf("lengths from %d to %d", temporary.MinLength, temporary.MaxLength)
	}
}

// Every other text than the one that was made is refused, and has no secret.
func TestOneSpelling(t *testing.T) {
	k, other := newKey(t, keyID, 1), newKey(t, keyID, 2)
	for name, s := range map[string]*temporary.Session{"child": child(), "own": own()} {
		text, secret := made(t, k, s)
		if _, _, err := other.Parse(text); !errors.Is(err, temporary.ErrMalformed) {
			t.Errorf("%s: another key of the same id: %v", name, err)
		}
		if _, theirs := made(t, other, s); theirs == secret {
			t.Errorf("%s: another key derives the same secret", name)
		}
		refused := func(what, text string) {
			t.Helper()
			got, secret, err := k.Parse(text)
			if !errors.Is(err, temporary.ErrMalformed) || got != nil || secret.Reveal() != "" || strings.Contains(err.Error(), text[:min(len(text), 8)]) && len(text) > 4 {
				t.Errorf("%s: %s: %v, %v", name, what, got, err)
			}
		}
		for i := range text {
			for _, c := range []byte("A\x00.\n=~") {
				if text[i] != c {
					refused(fmt.Sprintf("%q at %d", c, i), text[:i]+string(c)+text[i+1:])
				}
			}
			refused(fmt.Sprintf("cut at %d", i), text[:i])
			refused(fmt.Sprintf("without %d", i), text[:i]+text[i+1:])
			refused(fmt.Sprintf("a line end at %d", i), text[:i]+"\n"+text[i:])
		}
		for _, more := range []string{"=", "A", "\r\n", " ", ".", text} {
			refused("with more", text+more)
		}
	}
}

func TestSessionsThatNoTokenCarries(t *testing.T) {
	k := newKey(t, keyID, 1)
	for name, change := range map[string]func(s *temporary.Session){
		"no id":                  func(s *temporary.Session) { s.ID = "" },
		"no access key":          func(s *temporary.Session) { s.AccessKeyID = "" },
		"an id of 51":            func(s *temporary.Session) { s.AccessKeyID = strings.Repeat("i", 51) },
		"an id with a space":     func(s *temporary.Session) { s.FolderID = "a b" },
		"no subject":             func(s *temporary.Session) { s.Subject.ID = "" },
		"a group":                func(s *temporary.Session) { s.Subject.Type = iam.TypeGroup },
		"a person with a parent": func(s *temporary.Session) { s.Subject.Type, s.FolderID, s.CloudID = iam.TypeUserAccount, "", "" },
		"a person with a folder": func(s *temporary.Session) { s.Subject.Type, s.Ephemeral = iam.TypeUserAccount, true },
		"no life":                func(s *temporary.Session) { s.ExpiresAt = s.IssuedAt },
		"a life over 12 hours":   func(s *temporary.Session) { s.ExpiresAt = s.IssuedAt.Add(12*time.Hour + time.Millisecond) },
		"before 1970":            func(s *temporary.Session) { s.IssuedAt = time.UnixMilli(0) },
		"after 9999": func(s *temporary.Session) {
			s.IssuedAt = time.UnixMilli(253402300799999)
			s.ExpiresAt = s.IssuedAt.Add(time.Minute)
		},
		"a name of 65":            func(s *temporary.Session) { s.Name = strings.Repeat("n", 65) },
		"a name of two words":     func(s *temporary.Session) { s.Name = "a b" },
		"a policy of 4097":        func(s *temporary.Session) { s.Policy = strings.Repeat("p", 4097) },
		"itself not a dependency": func(s *temporary.Session) { s.DependsOn = s.DependsOn[1:] },
		"itself twice":            func(s *temporary.Session) { s.DependsOn = append(s.DependsOn, s.DependsOn[0]) },
		"something twice":         func(s *temporary.Session) { s.DependsOn = append(s.DependsOn, s.DependsOn[1]) },
		"14 dependencies": func(s *temporary.Session) {
			for i := range 8 {
				s.DependsOn = append(s.DependsOn, token.Dependency{Kind: token.KindToken, ID: fmt.Sprint(i)})
			}
		},
		"an implied dependency": func(s *temporary.Session) {
			s.DependsOn = append(s.DependsOn, token.Dependency{Kind: token.KindInstallation, ID: "k"})
		},
		"a dependency on nobody": func(s *temporary.Session) {
			s.DependsOn = append(s.DependsOn, token.Dependency{Kind: token.KindSubject})
		},
		"a dependency of no kind": func(s *temporary.Session) { s.DependsOn = append(s.DependsOn, token.Dependency{ID: "x"}) },
	} {
		s := child()
		change(s)
		if text, secret, err := k.Make(s); !errors.Is(err, temporary.ErrSession) || text.Reveal()+secret.Reveal() != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, size := range []int{0, 31, 33} {
		if _, err := temporary.NewKey(keyID, make([]byte, size)); err == nil {
			t.Errorf("a key of %d bytes was taken", size)
		}
	}
	if _, err := temporary.NewKey("", make([]byte, 32)); err == nil {
		t.Error("a key without an id was taken")
	}
	for _, text := range []string{"", "s1.", "s1.A.B", strings.Repeat("A", 300), "s1." + strings.Repeat("A", 195) + "." + strings.Repeat("A", 86)} {
		if id, err := temporary.KeyOf(text); !errors.Is(err, temporary.ErrMalformed) || id != "" {
			t.Errorf("%.10q: %q, %v", text, id, err)
		}
	}
}
