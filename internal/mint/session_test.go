package mint_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

func sessionRequest() mint.SessionRequest {
	return mint.SessionRequest{
		Subject:        iam.Subject{ID: "ajeaccount0000000001", Type: iam.TypeServiceAccount},
		OrganizationID: "bpforg00000000000001", CloudID: "b1gcloud000000000001", FolderID: "b1gfolder00000000001",
		Position: 41, Life: time.Hour, AccessKeyID: "YCstatic-key-of-25-letter", Name: "backup",
		DependsOn: []token.Dependency{{Kind: token.KindCredential, ID: "ajeparent00000000001"}, {Kind: token.KindSubject, ID: "ajeaccount0000000001"}},
	}
}

func TestSessions(t *testing.T) {
	c := &clock{start}
	ring := openRing(t, newDB(t, c.Now), newBox(t), c.Now)
	sessions := mint.NewSessions(ring, c.Now)
	r := sessionRequest()
	r.Policy = "{ \"Statement\" : [ { \"Sid\": \"a  b\" } ] }\n"
	made, err := sessions.Make(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	got, secret, err := ring.OpenSession(made.SessionToken.Reveal())
	if err != nil || secret.Reveal() != made.Secret.Reveal() {
		t.Fatalf("%v", err)
	}
	now := start.Truncate(time.Millisecond)
	want := &temporary.Session{
		ID: made.SessionID, KeyID: made.KeyID, AccessKeyID: r.AccessKeyID, Name: "backup", Policy: `{"Statement":[{"Sid":"a  b"}]}`,
		Subject: r.Subject, OrganizationID: r.OrganizationID, CloudID: r.CloudID, FolderID: r.FolderID,
		IssuedAt: now, ExpiresAt: now.Add(time.Hour), Position: 41,
		DependsOn: []token.Dependency{{Kind: token.KindSession, ID: made.SessionID}, {Kind: token.KindSubject, ID: "ajeaccount0000000001"}, {Kind: token.KindCredential, ID: "ajeparent00000000001"}},
	}
	if d := cmp.Diff(want, got); d != "" || made.AccessKeyID != r.AccessKeyID || !made.ExpiresAt.Equal(got.ExpiresAt) {
		t.Error(d)
	}
	if keys := ring.SessionKeys(); len(keys) != 1 || keys[0].ID != made.KeyID || keys[0].Signer != nil || keys[0].Public != nil {
		t.Errorf("session keys %+v", keys)
	}
	for _, key := range ring.PublicKeys() {
		if key.ID == made.KeyID {
			t.Error("a session key is published")
		}
	}
	for what, v := range map[string]any{"%v": made, "%+v": *made, "%#v": made} {
		if text := fmt.Sprintf(what, v); strings.Contains(text, made.Secret.Reveal()) || strings.Contains(text, made.SessionToken.Reveal()) {
			t.Errorf("%s shows a secret", what)
		}
	}

	r.AccessKeyID = ""
	own, err := sessions.Make(t.Context(), r)
	if err != nil || len(own.AccessKeyID) != 20 || len(own.Secret.Reveal()) != 43 || len(made.Secret.Reveal()) != 40 || own.SessionID == own.AccessKeyID {
		t.Errorf("an ephemeral key: %v %+v", err, own)
	}
	stranger := openRing(t, newDB(t, c.Now), newBox(t), c.Now)
	for what, text := range map[string]string{"another installation's": made.SessionToken.Reveal(), "none": "", "nonsense": "s1.nonsense"} {
		if _, _, err := stranger.OpenSession(text); !errors.Is(err, temporary.ErrMalformed) {
			t.Errorf("%s token: %v", what, err)
		}
	}
}

func TestSessionsThatAreNotMade(t *testing.T) {
	c := &clock{start}
	sessions := mint.NewSessions(openRing(t, newDB(t, c.Now), newBox(t), c.Now), c.Now)
	for name, tc := range map[string]struct {
		change func(*mint.SessionRequest)
		kind   iam.Kind
		reason string
	}{
		"a proof that has ended":    {func(r *mint.SessionRequest) { r.NotAfter = start.Add(-time.Second) }, iam.Unauthenticated, "credential_expired"},
		"a proof that ends now":     {func(r *mint.SessionRequest) { r.NotAfter = start }, iam.Unauthenticated, "credential_expired"},
		"a life of a nanosecond":    {func(r *mint.SessionRequest) { r.Life = 1 }, iam.Unauthenticated, "credential_expired"},
		"too many dependencies":     {func(r *mint.SessionRequest) { r.DependsOn = many(13) }, iam.FailedPrecondition, "chain_too_deep"},
		"a group":                   {func(r *mint.SessionRequest) { r.Subject.Type = iam.TypeGroup }, iam.FailedPrecondition, ""},
		"a person's static key":     {func(r *mint.SessionRequest) { r.Subject.Type, r.FolderID, r.CloudID = iam.TypeUserAccount, "", "" }, iam.FailedPrecondition, ""},
		"a policy that is no JSON":  {func(r *mint.SessionRequest) { r.Policy = "{" }, iam.InvalidArgument, ""},
		"a policy of 4,097 bytes":   {func(r *mint.SessionRequest) { r.Policy = `"` + strings.Repeat("я", 2047) + `a"` }, iam.InvalidArgument, ""},
		"a name with a line end":    {func(r *mint.SessionRequest) { r.Name = "a\nb" }, iam.FailedPrecondition, ""},
		"a static key that is none": {func(r *mint.SessionRequest) { r.AccessKeyID = "a b" }, iam.FailedPrecondition, ""},
	} {
		r := sessionRequest()
		tc.change(&r)
		made, err := sessions.Make(t.Context(), r)
		var e *iam.Error
		if errors.As(err, &e); e == nil || e.Kind != tc.kind || tc.reason != "" && e.Reason != tc.reason || made != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := sessionRequest()
	r.DependsOn, r.Policy = many(12), `"`+strings.Repeat("я", 2047)+`"`
	if _, err := sessions.Make(t.Context(), r); err != nil {
		t.Errorf("as much as there can be: %v", err)
	}
}

func many(n int) (list []token.Dependency) {
	for i := range n {
		list = append(list, token.Dependency{Kind: token.KindToken, ID: fmt.Sprint("token", i)})
	}
	return list
}

// A session never outlives what it is made of, what was asked for, or 12 hours;
// and it depends on everything that it was given.
func TestSessionsNeverOutlive(t *testing.T) {
	c := &clock{start}
	ring := openRing(t, newDB(t, c.Now), newBox(t), c.Now)
	sessions := mint.NewSessions(ring, c.Now)
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		r := sessionRequest()
		r.Life = time.Duration(random.Int64N(int64(30*time.Hour)) - int64(time.Hour))
		if random.IntN(3) > 0 {
			r.NotAfter = c.at.Add(time.Duration(random.Int64N(int64(20*time.Hour)) - int64(time.Hour)))
		}
		r.DependsOn = many(random.IntN(12))
		if random.IntN(2) == 0 {
			r.AccessKeyID = ""
		}
		made, err := sessions.Make(t.Context(), r)
		if !r.NotAfter.IsZero() && !r.NotAfter.After(c.at) {
			if iam.KindOf(err) != iam.Unauthenticated {
				t.Fatalf("NotAfter %v before: %v", r.NotAfter.Sub(c.at), err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		life := made.ExpiresAt.Sub(c.at)
		if life > 12*time.Hour || r.Life > 0 && life > r.Life || !r.NotAfter.IsZero() && made.ExpiresAt.After(r.NotAfter) {
			t.Fatalf("asked for %v until %v: lives %v", r.Life, r.NotAfter.Sub(c.at), life)
		}
		s, _, err := ring.OpenSession(made.SessionToken.Reveal())
		if err != nil || !s.ExpiresAt.Equal(made.ExpiresAt) || len(s.DependsOn) != len(r.DependsOn)+1 {
			t.Fatalf("%+v, %v", s, err)
		}
		for _, d := range r.DependsOn {
			if !slices.Contains(s.DependsOn, d) {
				t.Fatalf("%v is forgotten", d)
			}
		}
	}
}

// Session keys are made by the first start and by an upgrade, rotate with the
// others, and are kept as long as a session of theirs may live.
func TestSessionKeysRotate(t *testing.T) {
	c := &clock{start}
	db, box := newDB(t, c.Now), newBox(t)
	ring := openRing(t, db, box, c.Now)
	first := ring.SessionKeys()[0].ID
	iamKey := current(t, ring, c.at)
	err := db.Update(t.Context(), func(tx *store.Tx) error { // as a database of an earlier version
		if err := store.SetSigningKeyWindow(tx, first, start, start.Add(-time.Hour)); err != nil {
			return err
		}
		_, err := store.DeleteRetiredSigningKeys(tx, store.PurposeSession, start)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ring = openRing(t, db, box, c.Now)
	sessions := mint.NewSessions(ring, c.Now)
	keys := ring.SessionKeys()
	if len(keys) != 1 || keys[0].ID == first || current(t, ring, c.at) != iamKey {
		t.Fatalf("after an upgrade: %v", keys)
	}
	make := func() *mint.TemporaryKey {
		t.Helper()
		r := sessionRequest()
		r.Life = 0
		made, err := sessions.Make(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	open := func(made *mint.TemporaryKey) error {
		_, _, err := ring.OpenSession(made.SessionToken.Reveal())
		return err
	}
	early := make()
	c.at = start.Add(time.Minute)
	if err := ring.Rotate(t.Context()); err != nil || len(ring.SessionKeys()) != 2 {
		t.Fatalf("%v, %d keys", err, len(ring.SessionKeys()))
	}
	if made := make(); made.KeyID != early.KeyID {
		t.Error("a new key is used before every node has it")
	}
	c.at = c.at.Add(3 * time.Minute)
	late := make()
	if late.KeyID == early.KeyID || open(early) != nil || open(late) != nil {
		t.Errorf("after a rotation: %v, %v", open(early), open(late))
	}
	c.at = start.Add(12 * time.Hour)
	if err := ring.Rotate(t.Context()); err != nil || open(early) != nil {
		t.Errorf("a key of a session that may live is gone: %v, %v", err, open(early))
	}
	c.at = start.Add(14 * time.Hour)
	if err := ring.Rotate(t.Context()); err != nil || open(early) == nil {
		t.Errorf("a key is kept for ever: %v", err)
	}
}

func TestDistrustSessionKey(t *testing.T) {
	c := &clock{start}
	db, box := newDB(t, c.Now), newBox(t)
	ring := openRing(t, db, box, c.Now)
	sessions := mint.NewSessions(ring, c.Now)
	made, err := sessions.Make(t.Context(), sessionRequest())
	if err != nil {
		t.Fatal(err)
	}
	var ended []string
	err = ring.Distrust(t.Context(), made.KeyID, func(_ *store.Tx, kind token.Kind, id string) error {
		ended = append(ended, fmt.Sprint(kind, " ", id))
		return nil
	})
	if err != nil || !slices.Equal(ended, []string{"signing key " + made.KeyID}) {
		t.Errorf("%v, ended %v", err, ended)
	}
	if _, _, err := ring.OpenSession(made.SessionToken.Reveal()); !errors.Is(err, temporary.ErrMalformed) {
		t.Errorf("a session of a distrusted key: %v", err)
	}
	next, err := sessions.Make(t.Context(), sessionRequest())
	if err != nil || next.KeyID == made.KeyID {
		t.Errorf("no successor: %v", err)
	}
}

// A session key's row serves nothing else, and no other row serves as one.
func TestSessionKeyRowsAreBound(t *testing.T) {
	for _, from := range []store.SigningPurpose{store.PurposeSession, store.PurposeIAM} {
		c := &clock{start}
		db, box := newDB(t, c.Now), newBox(t)
		ring := openRing(t, db, box, c.Now)
		to := map[store.SigningPurpose]store.SigningPurpose{store.PurposeSession: store.PurposeIAM, store.PurposeIAM: store.PurposeSession}[from]
		var id string
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			rows, err := store.ListSigningKeys(tx, from)
			if err != nil {
				return err
			}
			row := *rows[0]
			row.ID, row.Purpose = "forged-"+string(to), to
			id = row.ID
			return store.InsertSigningKey(tx, &row)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("%s for %s: %v", from, to, err)
		}
	}
}
