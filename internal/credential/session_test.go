package credential_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/token"
)

// folk is alice, a member of one organization or several.
type folk struct {
	status        iam.UserAccountStatus
	organizations []string
	session       *iam.Session
	found         int
}

func (f *folk) Position() iam.Position { return 41 }

func (f *folk) ServiceAccount(context.Context, string) (*iam.ServiceAccount, error) {
	return nil, errors.New("no service account was asked for")
}

func (f *folk) UserAccount(_ context.Context, id string) (*iam.UserAccount, error) {
	if id != "ajealice" || f.status == "" {
		return nil, iam.Errorf(iam.NotFound, "gone")
	}
	return &iam.UserAccount{ID: id, Status: f.status}, nil
}

func (f *folk) Ancestors(context.Context, string) ([]resource.Ref, error) {
	return nil, errors.New("no ancestors were asked for")
}

func (f *folk) Organizations(context.Context, iam.SubjectID) ([]string, error) {
	return f.organizations, nil
}

func (f *folk) find(_ context.Context, lookup string) (*iam.Session, error) {
	f.found++
	if f.session == nil || lookup != f.session.Lookup {
		return nil, iam.Errorf(iam.NotFound, "Session of this cookie not found")
	}
	return f.session, nil
}

func TestSessionCookieForm(t *testing.T) {
	secret, lookup := credential.NewSessionCookie()
	text := secret.Reveal()
	if !credential.SessionCookieForm(text) || !leak.Valid(leak.IAMCookie, text) || len(lookup) != 64 {
		t.Fatalf("a fresh cookie of %d characters is none", len(text))
	}
	last := text[:len(text)-1]
	for name, wrong := range map[string]string{
		"nothing": "", "cut short": last, "longer": text + "A", "another prefix": "t1." + text[3:],
		"padded": text + "=", "a line break": last + "\n", "another payload": text[:10] + another(text[10]) + text[11:],
		"another tail": text[:210] + another(text[210]) + text[211:], "spare bits": last + another(text[len(text)-1]),
		"the dot elsewhere": strings.Replace(text[3:], ".", "", 1) + "....",
	} {
		if credential.SessionCookieForm(wrong) {
			t.Errorf("%s: is one", name)
		}
	}
}

// another is another character of the alphabet.
func another(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestSessionProves(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cookie, lookup := credential.NewSessionCookie()
	reads := &folk{status: iam.UserAccountActive, organizations: []string{"bpf1"},
		session: &iam.Session{ID: "ajesession", UserID: "ajealice", Lookup: lookup, LastSeenAt: now.Add(-time.Hour), ExpiresAt: now.Add(3 * time.Hour)}}
	p := &credential.Session{Reads: reads, Find: reads.find, Idle: 2 * time.Hour, Now: func() time.Time { return now }}
	want := &credential.Identity{
		Subject: iam.Subject{ID: "ajealice", Type: iam.TypeUserAccount}, OrganizationID: "bpf1", How: "session", CredentialID: "ajesession",
		Position: 41, NotAfter: now.Add(2 * time.Hour),
		DependsOn: []token.Dependency{{Kind: token.KindSession, ID: "ajesession"}, {Kind: token.KindSubject, ID: "ajealice"},
			{Kind: token.KindOrganization, ID: "bpf1/ajealice"}},
	}
	prove := func() (*credential.Identity, error) { return p.Prove(t.Context(), cookie.Reveal()) }
	got, err := prove()
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	now = now.Add(time.Hour) // the end of the session comes before it is idle
	reads.organizations = []string{"bpf1", "bpf2"}
	want.NotAfter, want.OrganizationID, want.DependsOn = now.Add(2*time.Hour), "", want.DependsOn[:2]
	if got, err = prove(); err != nil || !cmp.Equal(want, got) {
		t.Errorf("of two organizations: %+v, %v", got, err)
	}
	reads.session.LastSeenAt, now = now, now.Add(90*time.Minute)
	if got, err = prove(); err != nil || !got.NotAfter.Equal(reads.session.ExpiresAt) {
		t.Errorf("near its end: %+v, %v", got, err)
	}
}

func TestSessionIsRefused(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cookie, lookup := credential.NewSessionCookie()
	other, _ := credential.NewSessionCookie()
	for name, c := range map[string]struct {
		text   string
		status iam.UserAccountStatus
		after  time.Duration
		reason string
		looks  int
	}{
		"cut short": {cookie.Reveal()[:289], iam.UserAccountActive, 0, "session_ended", 0}, // and the store is not asked
		"unknown":   {other.Reveal(), iam.UserAccountActive, 0, "session_ended", 1},
		"idle":      {cookie.Reveal(), iam.UserAccountActive, time.Hour + time.Second, "session_ended", 1},
		"expired":   {cookie.Reveal(), iam.UserAccountActive, 30 * time.Minute, "session_ended", 1},
		"suspended": {cookie.Reveal(), iam.UserAccountSuspended, 0, "account_suspended", 1},
		"deleted":   {cookie.Reveal(), "", 0, "account_deleted", 1},
	} {
		end := start.Add(2 * time.Hour)
		if name == "expired" {
			end = start.Add(30 * time.Minute)
		}
		reads := &folk{status: c.status, session: &iam.Session{ID: "ajesession", UserID: "ajealice", Lookup: lookup, LastSeenAt: start, ExpiresAt: end}}
		p := &credential.Session{Reads: reads, Find: reads.find, Idle: time.Hour, Now: func() time.Time { return start.Add(c.after) }}
		_, err := p.Prove(t.Context(), c.text)
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.Unauthenticated || e.Reason != c.reason || reads.found != c.looks {
			t.Errorf("%s: %v after %d looks", name, err, reads.found)
		}
	}
}

func FuzzSessionCookie(f *testing.F) {
	cookie, _ := credential.NewSessionCookie()
	f.Add(cookie.Reveal())
	f.Add("c1." + strings.Repeat("A", 200) + "." + strings.Repeat("A", 86))
	f.Fuzz(func(t *testing.T, text string) {
		if credential.SessionCookieForm(text) && (len(text) != 290 || strings.Count(text, ".") != 2 || strings.ContainsAny(text, "=+/ \r\n")) {
			t.Errorf("%q is a cookie", text)
		}
	})
}
