package mint_test

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
	"github.com/propusk/propusk/token"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 123_456_789, time.UTC)

// clock is a hand-set time.
type clock struct{ at time.Time }

func (c *clock) Now() time.Time { return c.at }

func newDB(t testing.TB, now func() time.Time) *store.DB {
	t.Helper()
	engine, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	db := store.New(engine, store.Options{Now: now})
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func newBox(t testing.TB) *seal.Box {
	t.Helper()
	box, err := seal.New(seal.NewMasterKey("m1"))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func openRing(t testing.TB, db *store.DB, box *seal.Box, now func() time.Time) *mint.Keyring {
	t.Helper()
	ring, err := mint.OpenKeyring(t.Context(), mint.KeyringConfig{DB: db, Box: box, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func request() mint.Request {
	return mint.Request{
		Subject:        iam.Subject{ID: "ajeaccount", Type: iam.TypeServiceAccount},
		OrganizationID: "bpforg", FolderID: "b1gfolder", Position: 41,
		DependsOn: []token.Dependency{
			{Kind: token.KindCredential, ID: "ajekey"}, {Kind: token.KindSubject, ID: "ajeaccount"},
			{Kind: token.KindFolder, ID: "b1gfolder"}, {Kind: token.KindCloud, ID: "b1gcloud"}, {Kind: token.KindOrganization, ID: "bpforg"},
		},
	}
}

func TestMint(t *testing.T) {
	c := &clock{start}
	ring := openRing(t, newDB(t, c.Now), newBox(t), c.Now)
	minter := mint.NewMinter(ring, c.Now)
	text, claims, err := minter.Mint(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if len(claims.ID) != 20 || !strings.HasPrefix(claims.ID, "aje") {
		t.Errorf("token id %q", claims.ID)
	}
	keys := ring.PublicKeys()
	want := &token.Claims{
		ID: claims.ID, KeyID: keys[0].ID, Installation: ring.Installation(),
		IssuedAt: start.Truncate(time.Millisecond), ExpiresAt: start.Truncate(time.Millisecond).Add(43200 * time.Second), Position: 41,
		SubjectType: "serviceAccount", SubjectID: "ajeaccount", OrganizationID: "bpforg", FolderID: "b1gfolder",
		DependsOn: append([]token.Dependency{{Kind: token.KindToken, ID: claims.ID}}, request().DependsOn...),
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	verifier, err := token.NewVerifier(token.Config{Local: true, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Load(token.Snapshot{Installation: ring.Installation(), Keys: keys}); err != nil {
		t.Fatal(err)
	}
	if got, err := verifier.Verify(text); err != nil || !got.ExpiresAt.Equal(claims.ExpiresAt) || got.SubjectID != "ajeaccount" {
		t.Errorf("verify: %+v, %v", got, err)
	}
	if len(text) < 200 || len(text) > token.MaxLength {
		t.Errorf("the token has %d characters", len(text))
	}
}

// The key that signed a parent ends a token too; the token's own goes without saying.
func TestMintRestsOnTheKeyOfItsParent(t *testing.T) {
	c := &clock{start}
	ring := openRing(t, newDB(t, c.Now), newBox(t), c.Now)
	minter := mint.NewMinter(ring, c.Now)
	old := token.Dependency{Kind: token.KindSigningKey, ID: ring.PublicKeys()[0].ID}
	r := request()
	r.DependsOn = append(r.DependsOn, old)
	if _, claims, err := minter.Mint(t.Context(), r); err != nil || slices.Contains(claims.DependsOn, old) {
		t.Errorf("while the key signs: %+v, %v", claims, err)
	}
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(time.Hour)
	if _, claims, err := minter.Mint(t.Context(), r); err != nil || claims.KeyID == old.ID || !slices.Contains(claims.DependsOn, old) {
		t.Errorf("when its successor does: %+v, %v", claims, err)
	}
}

func TestMintLimits(t *testing.T) {
	c := &clock{start}
	minter := mint.NewMinter(openRing(t, newDB(t, c.Now), newBox(t), c.Now), c.Now)
	depends := func(n int) []token.Dependency {
		var list []token.Dependency
		for i := range n {
			list = append(list, token.Dependency{Kind: token.KindSubject, ID: fmt.Sprintf("aje%017d", i)})
		}
		return list
	}
	for name, tc := range map[string]struct {
		change func(*mint.Request)
		kind   iam.Kind
		text   string
		expiry time.Time
	}{
		"shortened":            {change: func(r *mint.Request) { r.NotAfter = start.Add(time.Minute) }, expiry: start.Add(time.Minute).Truncate(time.Millisecond)},
		"not lengthened":       {change: func(r *mint.Request) { r.NotAfter = start.Add(24 * time.Hour) }, expiry: start.Truncate(time.Millisecond).Add(12 * time.Hour)},
		"over already":         {change: func(r *mint.Request) { r.NotAfter = start }, kind: iam.Unauthenticated, text: "has expired"},
		"eleven others":        {change: func(r *mint.Request) { r.DependsOn = depends(11) }},
		"given twice":          {change: func(r *mint.Request) { r.DependsOn = append(depends(11), depends(11)...) }},
		"twelve others":        {change: func(r *mint.Request) { r.DependsOn = depends(12) }, kind: iam.FailedPrecondition, text: "too deep"},
		"a name without end":   {change: func(r *mint.Request) { r.Subject.ID = iam.SubjectID(strings.Repeat("x", 200)) }, kind: iam.FailedPrecondition, text: "do not fit"},
		"a group":              {change: func(r *mint.Request) { r.Subject.Type = iam.TypeGroup }, kind: iam.FailedPrecondition},
		"a person, no folder":  {change: func(r *mint.Request) { r.Subject.Type, r.FolderID = iam.TypeUserAccount, "" }},
		"nothing to depend on": {change: func(r *mint.Request) { r.DependsOn = nil }},
	} {
		r := request()
		tc.change(&r)
		text, claims, err := minter.Mint(t.Context(), r)
		if tc.kind != 0 {
			if iam.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.text) || text != "" {
				t.Errorf("%s: %v, want %v %q", name, err, tc.kind, tc.text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !tc.expiry.IsZero() && !claims.ExpiresAt.Equal(tc.expiry) {
			t.Errorf("%s: expires %v, want %v", name, claims.ExpiresAt, tc.expiry)
		}
		if len(text) > token.MaxLength {
			t.Errorf("%s: %d characters", name, len(text))
		}
	}
}

func TestTokenIDsDiffer(t *testing.T) {
	c := &clock{start}
	minter := mint.NewMinter(openRing(t, newDB(t, c.Now), newBox(t), c.Now), c.Now)
	seen := make(map[string]bool)
	for range 500 {
		_, claims, err := minter.Mint(t.Context(), request())
		if err != nil {
			t.Fatal(err)
		}
		if seen[claims.ID] || len(claims.ID) != 20 {
			t.Fatalf("id %q", claims.ID)
		}
		seen[claims.ID] = true
	}
}

func BenchmarkMint(b *testing.B) {
	c := &clock{start}
	minter := mint.NewMinter(openRing(b, newDB(b, c.Now), newBox(b), c.Now), c.Now)
	r := request()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := minter.Mint(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSign is the least that a token can cost.
func BenchmarkSign(b *testing.B) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, 280)
	b.ReportAllocs()
	for b.Loop() {
		ed25519.Sign(key, message)
	}
}
