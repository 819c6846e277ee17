package credential_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

const (
	staticID   = "ajestatic00000000001" // of the parent's row
	staticName = "YCstatic-key-of-25-letter"
	personID   = "person@example.com"
	ringKey    = "ajeringkey0000000001"
)

// temporaryWorld has session keys and hears of what ends.
type temporaryWorld struct {
	*accessWorld
	key      *temporary.Key
	verifier *token.Verifier
	ended    error // instead of the verifier's answer
}

func newTemporaryWorld(t testing.TB) *temporaryWorld {
	t.Helper()
	w := &temporaryWorld{accessWorld: newAccessWorld()}
	w.access[staticName] = &replica.AccessKey{AccessKey: iam.AccessKey{ID: staticID, KeyID: staticName, ServiceAccountID: accountID}, Secret: iam.NewSecret(s3Secret)}
	var err error
	if w.key, err = temporary.NewKey(ringKey, []byte(strings.Repeat("k", temporary.KeySize))); err == nil {
		w.verifier, err = token.NewVerifier(token.Config{Local: true})
	}
	if err == nil {
		err = w.verifier.Load(token.Snapshot{Installation: "ajeinstallation00001", Position: 41})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *temporaryWorld) OpenSession(text string) (*temporary.Session, iam.Secret, error) {
	return w.key.Parse(text)
}

func (w *temporaryWorld) Ended(position uint64, depends []token.Dependency) error {
	if w.ended != nil {
		return w.ended
	}
	return w.verifier.Ended(position, depends)
}

func (w *temporaryWorld) end(t testing.TB, kind token.Kind, id string, seq uint64) {
	t.Helper()
	if err := w.verifier.Advance(seq, []token.Revocation{{Kind: kind, Hash: token.HashID(kind, id), Seq: seq}}); err != nil {
		t.Fatal(err)
	}
}

func (w *temporaryWorld) prove(now time.Time, s credential.Signature) (*credential.Identity, error) {
	p := &credential.AccessKey{Reads: w, Now: func() time.Time { return now }, Sessions: w, Ended: w.Ended}
	return p.Prove(context.Background(), s)
}

// childSession is a child of the static key; ownSession an ephemeral key of a person.
func childSession() *temporary.Session {
	return &temporary.Session{
		ID: "ajesession0000000001", AccessKeyID: staticName, Name: "backup", Policy: `{"Statement":[]}`,
		Subject:        iam.Subject{ID: accountID, Type: iam.TypeServiceAccount},
		OrganizationID: "bpforg", CloudID: "b1gcloud", FolderID: "b1gfolder",
		IssuedAt: start, ExpiresAt: start.Add(time.Hour), Position: 40,
		DependsOn: []token.Dependency{{Kind: token.KindSession, ID: "ajesession0000000001"}, {Kind: token.KindSubject, ID: accountID},
			{Kind: token.KindCredential, ID: staticID}, {Kind: token.KindOrganization, ID: "bpforg"}, {Kind: token.KindCloud, ID: "b1gcloud"}, {Kind: token.KindFolder, ID: "b1gfolder"}},
	}
}

func ownSession() *temporary.Session {
	return &temporary.Session{
		ID: "ajesession0000000002", AccessKeyID: "ajeephemeral00000001", Ephemeral: true, Name: "laptop",
		Subject: iam.Subject{ID: personID, Type: iam.TypeUserAccount}, OrganizationID: "bpforg",
		IssuedAt: start, ExpiresAt: start.Add(time.Hour), Position: 40,
		DependsOn: []token.Dependency{{Kind: token.KindSession, ID: "ajesession0000000002"}, {Kind: token.KindSubject, ID: personID}},
	}
}

// signed is a request of a session at a time.
func (w *temporaryWorld) signed(t testing.TB, s *temporary.Session, at time.Time) credential.Signature {
	t.Helper()
	text, secret, err := w.key.Make(s)
	if err != nil {
		t.Fatal(err)
	}
	out := sign(secret.Reveal(), v4(s.AccessKeyID, at.UTC().Format("20060102T150405Z"), "ru-central1", "s3", emptyHash, ""))
	out.SessionToken = text.Reveal()
	return out
}

func TestTemporaryKeys(t *testing.T) {
	w := newTemporaryWorld(t)
	w.accounts[accountID].ExpiresAt = start.Add(30 * time.Minute)
	for _, c := range []struct {
		session *temporary.Session
		want    credential.Identity
	}{
		{childSession(), credential.Identity{OrganizationID: "bpforg", CloudID: "b1gcloud", FolderID: "b1gfolder", NotAfter: start.Add(30 * time.Minute)}},
		{ownSession(), credential.Identity{OrganizationID: "bpforg", NotAfter: start.Add(time.Hour)}},
	} {
		s := c.session
		c.want.Subject, c.want.How, c.want.CredentialID, c.want.Position, c.want.DependsOn = s.Subject, "temporaryAccessKey", s.ID, 41, s.DependsOn
		c.want.Temporary = &credential.TemporaryKey{SessionID: s.ID, Name: s.Name, Policy: s.Policy}
		got, err := w.prove(start, w.signed(t, s, start))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&c.want, got); d != "" {
			t.Error(d)
		}
	}
}

// A person's temporary key is as good as his account.
func TestTemporaryKeysOfSuspendedPeople(t *testing.T) {
	w := newTemporaryWorld(t)
	s := w.signed(t, ownSession(), start)
	for _, reason := range []string{"account_suspended", "account_deleted"} {
		if w.people[personID].Status = iam.UserAccountSuspended; reason == "account_deleted" {
			delete(w.people, personID)
		}
		id, err := w.prove(start, s)
		if e, ok := errors.AsType[*iam.Error](err); !ok || e.Kind != iam.Unauthenticated || e.Reason != reason || id != nil {
			t.Errorf("%+v, %v, want %s", id, err, reason)
		}
	}
}

const badTemporary = "The signature is not valid: the session token is unknown or was altered, belongs to another access key, or its secret did not make the signature"

// Whoever cannot sign with a session learns nothing, not even of which half is
// wrong; and what is wrong with the session itself stays hidden.
func TestTemporaryKeysThatProveNobody(t *testing.T) {
	w := newTemporaryWorld(t)
	good := w.signed(t, childSession(), start)
	foreign := newTemporaryWorld(t)
	foreign.key, _ = temporary.NewKey(ringKey, []byte(strings.Repeat("f", temporary.KeySize)))
	of := func(change func(s *credential.Signature)) credential.Signature {
		s := good
		change(&s)
		return s
	}
	cases := map[string]credential.Signature{
		"another session":         of(func(s *credential.Signature) { s.SessionToken = w.signed(t, ownSession(), start).SessionToken }),
		"another installation":    foreign.signed(t, childSession(), start),
		"another key's id":        of(func(s *credential.Signature) { s.AccessKeyID = "AKIDEXAMPLE" }),
		"the id in another case":  of(func(s *credential.Signature) { s.AccessKeyID = strings.ToUpper(s.AccessKeyID) }),
		"the parent's secret":     of(func(s *credential.Signature) { *s = sign(s3Secret, *s) }),
		"the token as a secret":   of(func(s *credential.Signature) { *s = sign(s.SessionToken, *s) }),
		"an altered signature":    of(func(s *credential.Signature) { s.Signature = flipFirst(s.Signature) }),
		"its last letter":         of(func(s *credential.Signature) { s.Signature = flipAt(s.Signature, len(s.Signature)-1) }),
		"an upper-case signature": of(func(s *credential.Signature) { s.Signature = strings.ToUpper(s.Signature) }),
		"a truncated signature":   of(func(s *credential.Signature) { s.Signature = s.Signature[:63] }),
		"no signature":            of(func(s *credential.Signature) { s.Signature = "" }),
		"a truncated token":       of(func(s *credential.Signature) { s.SessionToken = s.SessionToken[:len(s.SessionToken)-1] }),
		"an altered token":        of(func(s *credential.Signature) { s.SessionToken = flipAt(s.SessionToken, 30) }),
		"a folded token":          of(func(s *credential.Signature) { s.SessionToken = s.SessionToken[:30] + "\n" + s.SessionToken[30:] }),
		"nonsense":                of(func(s *credential.Signature) { s.SessionToken = "s1.x.y" }),
		"a space":                 of(func(s *credential.Signature) { s.SessionToken = " " }),
	}
	for state, prepare := range map[string]func(){
		"all is well": func() {}, "the account is suspended": func() { w.accounts[accountID].Status = iam.ServiceAccountSuspended },
		"the parent is gone": func() { delete(w.access, staticName) }, "it was revoked": func() { w.end(t, token.KindSession, "ajesession0000000001", 50) },
	} {
		prepare()
		for name, s := range cases {
			refusedSignature(t, state+": "+name, errorOf(w.prove(start, s)), "temporary_key_invalid", badTemporary)
		}
	}
	refusedSignature(t, "an IAM token", errorOf(w.prove(start, of(func(s *credential.Signature) { s.SessionToken = "t1.x" }))), "credential_kind",
		"The session token is an IAM token: a token that begins with s1. is expected")
	refusedSignature(t, "a secret for an id", errorOf(w.prove(start, of(func(s *credential.Signature) { s.AccessKeyID = "YC" + strings.Repeat("x", 38) }))), "credential_kind", "")
	static := &credential.AccessKey{Reads: w, Now: func() time.Time { return start }}
	refusedSignature(t, "where nothing opens sessions", errorOf(static.Prove(t.Context(), good)), "temporary_key_invalid", "")
}

// A key without its token is an unknown static key.
func TestTemporaryKeysNeedTheirToken(t *testing.T) {
	w := newTemporaryWorld(t)
	for _, s := range []*temporary.Session{childSession(), ownSession()} {
		without := w.signed(t, s, start)
		without.SessionToken = ""
		refusedSignature(t, s.ID, errorOf(w.prove(start, without)), "access_key_invalid", "")
	}
}

func TestTemporaryKeysEnd(t *testing.T) {
	minute := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	for name, c := range map[string]struct {
		at     time.Time
		change func(t *testing.T, w *temporaryWorld)
		reason string // "": it is good
	}{
		"as it was made":           {start, func(*testing.T, *temporaryWorld) {}, ""},
		"just before its end":      {minute(60).Add(-time.Nanosecond), func(*testing.T, *temporaryWorld) {}, ""},
		"at its end":               {minute(60), func(*testing.T, *temporaryWorld) {}, "temporary_key_expired"},
		"a clock that is behind":   {minute(-1), func(*testing.T, *temporaryWorld) {}, ""},
		"a clock too far behind":   {minute(-1).Add(-time.Nanosecond), func(*testing.T, *temporaryWorld) {}, "temporary_key_not_yet_valid"},
		"the session was revoked":  {start, func(t *testing.T, w *temporaryWorld) { w.end(t, token.KindSession, "ajesession0000000001", 50) }, "temporary_key_revoked"},
		"before it was made":       {start, func(t *testing.T, w *temporaryWorld) { w.end(t, token.KindSubject, accountID, 41) }, "temporary_key_revoked"},
		"the parent was revoked":   {start, func(t *testing.T, w *temporaryWorld) { w.end(t, token.KindCredential, staticID, 50) }, "temporary_key_revoked"},
		"the folder":               {start, func(t *testing.T, w *temporaryWorld) { w.end(t, token.KindFolder, "b1gfolder", 50) }, "temporary_key_revoked"},
		"the organization":         {start, func(t *testing.T, w *temporaryWorld) { w.end(t, token.KindOrganization, "bpforg", 50) }, "temporary_key_revoked"},
		"the session key":          {start, func(t *testing.T, w *temporaryWorld) { w.end(t, token.KindSigningKey, ringKey, 50) }, "temporary_key_revoked"},
		"the installation":         {start, func(t *testing.T, w *temporaryWorld) { w.end(t, token.KindInstallation, "ajeinstallation00001", 50) }, "temporary_key_revoked"},
		"something else":           {start, func(t *testing.T, w *temporaryWorld) { w.end(t, token.KindToken, "ajesession0000000001", 50) }, ""},
		"the parent is gone":       {start, func(_ *testing.T, w *temporaryWorld) { delete(w.access, staticName) }, "temporary_key_revoked"},
		"another key has its name": {start, func(_ *testing.T, w *temporaryWorld) { w.access[staticName].ID = "ajeother" }, "temporary_key_revoked"},
		"another account has it":   {start, func(_ *testing.T, w *temporaryWorld) { w.access[staticName].ServiceAccountID = "ajeother" }, "temporary_key_revoked"},
		"the account is gone":      {start, func(_ *testing.T, w *temporaryWorld) { delete(w.accounts, accountID) }, "account_deleted"},
		"the account's place":      {start, func(_ *testing.T, w *temporaryWorld) { w.ancestors = nil }, "account_deleted"},
		"the account is suspended": {start, func(_ *testing.T, w *temporaryWorld) { w.accounts[accountID].Status = iam.ServiceAccountSuspended }, "account_suspended"},
		"the account has expired":  {minute(10), func(_ *testing.T, w *temporaryWorld) { w.accounts[accountID].ExpiresAt = minute(10) }, "account_expired"},
		"the account will not yet": {minute(10), func(_ *testing.T, w *temporaryWorld) { w.accounts[accountID].ExpiresAt = minute(10).Add(1) }, ""},
	} {
		w := newTemporaryWorld(t)
		c.change(t, w)
		err := errorOf(w.prove(c.at, w.signed(t, childSession(), c.at)))
		if c.reason != "" {
			refusedSignature(t, name, err, c.reason, "")
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Not to know is not to refuse: the caller may come again.
func TestTemporaryKeysWhileNothingIsKnown(t *testing.T) {
	w := newTemporaryWorld(t)
	s := w.signed(t, childSession(), start)
	w.ended = token.ErrStale
	var e *iam.Error
	if _, err := w.prove(start, s); !errors.As(err, &e) || e.Kind != iam.Unavailable || e.RetryAfter == 0 {
		t.Errorf("a node that is behind: %v", err)
	}
	w.ended = nil
	w.failing = iam.Errorf(iam.Unavailable, "the store is away")
	if _, err := w.prove(start, s); !errors.Is(err, iam.Unavailable) {
		t.Errorf("a store that is away: %v", err)
	}
}

// Whatever ends when: a proof that succeeds ends no later than the session and
// the account, and rests on all that the session rests on.
func TestTemporaryProofsNeverOutlive(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	hours := func() time.Duration { return time.Duration(random.Int64N(int64(13 * time.Hour))) }
	good := 0
	for i := range 400 {
		w := newTemporaryWorld(t)
		s := childSession()
		if random.IntN(2) == 0 {
			s.AccessKeyID, s.Ephemeral = "ajeephemeral00000001", true
		}
		s.ExpiresAt = s.IssuedAt.Add(min(hours()+time.Millisecond, 12*time.Hour)).Truncate(time.Millisecond)
		account := w.accounts[accountID]
		if random.IntN(2) == 0 {
			account.ExpiresAt = start.Add(hours())
		}
		parent := random.IntN(4) > 0
		if !parent {
			delete(w.access, staticName)
		}
		now := start.Add(hours())
		id, err := w.prove(now, w.signed(t, s, now))
		want := now.Before(s.ExpiresAt) && (account.ExpiresAt.IsZero() || now.Before(account.ExpiresAt)) && (parent || s.Ephemeral)
		if (err == nil) != want {
			t.Fatalf("%d: %v, want it good: %v", i, err, want)
		}
		if err != nil {
			continue
		}
		good++
		if id.NotAfter.After(s.ExpiresAt) || !account.ExpiresAt.IsZero() && id.NotAfter.After(account.ExpiresAt) || !reflect.DeepEqual(id.DependsOn, s.DependsOn) {
			t.Fatalf("%d: %+v of %+v", i, id, s)
		}
	}
	if good < 50 || good > 350 {
		t.Errorf("%d proofs of 400 were good: too few or too many to tell", good)
	}
}

// No refusal quotes a token, an id or a secret.
func TestTemporaryRefusalsQuoteNothing(t *testing.T) {
	w := newTemporaryWorld(t)
	s := w.signed(t, childSession(), start)
	for _, change := range []func(*credential.Signature){
		func(s *credential.Signature) { s.SessionToken = flipAt(s.SessionToken, 30) }, func(s *credential.Signature) { s.Signature = flipFirst(s.Signature) },
		func(*credential.Signature) { w.accounts[accountID].Status = iam.ServiceAccountSuspended },
	} {
		bad := s
		change(&bad)
		err := errorOf(w.prove(start, bad))
		if text := fmt.Sprintf("%v %+v", err, err); err == nil || strings.Contains(text, bad.SessionToken[3:20]) || strings.Contains(text, bad.Signature) || strings.Contains(text, staticName) {
			t.Errorf("%v", err)
		}
	}
}

func BenchmarkTemporaryKey(b *testing.B) {
	w := newTemporaryWorld(b)
	s := w.signed(b, childSession(), start)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.prove(start, s); err != nil {
			b.Fatal(err)
		}
		w.lookups = w.lookups[:0]
	}
}
