package oauthapi

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// FuzzLocation: whatever a request holds, the browser goes to the very place that
// was registered, with its query kept, and the answer reads back as it was written.
func FuzzLocation(f *testing.F) {
	for _, uri := range []string{"https://app.example/back", "https://app.example/back?tenant=1", "https://app.example", "https://app.example/?", "app:/back", "http://[::1]:5000/x?a=b&"} {
		f.Add(uri, "s\r\nLocation: https://evil.example", "an error")
		f.Add(uri, "#&=+% é", "")
	}
	f.Fuzz(func(t *testing.T, uri, state, description string) {
		if oauthclient.WrongURI(oauthclient.Native, uri) != "" {
			return
		}
		a := &asked{Authorization: &propuskpb.Authorization{RedirectUri: uri, State: state}, issuer: "https://id.example"}
		where := a.refused(&refusal{"invalid_request", description})
		rest, ok := strings.CutPrefix(where, uri)
		if !ok || strings.ContainsAny(where, "\r\n#\\ ") || !strings.HasPrefix(rest, "?") && !strings.HasPrefix(rest, "&") && !strings.HasSuffix(uri, "?") && !strings.HasSuffix(uri, "&") {
			t.Fatalf("%q", where)
		}
		got, err := url.ParseQuery(strings.TrimLeft(rest, "?&"))
		if err != nil || got.Get("state") != state || got.Get("error_description") != description || got.Get("iss") != a.issuer || got.Get("error") != "invalid_request" {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

// FuzzJudge: what passes has a challenge of its form or something that ties the
// answer to the request, and scopes that the client may ask for.
func FuzzJudge(f *testing.F) {
	f.Add("openid", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "S256", "none", "10", "", false)
	f.Add("openid  cloud", "", "", "login consent", "", "x", true)
	f.Add("", "a", "plain", "", "-1", "", true)
	f.Fuzz(func(t *testing.T, scope, challenge, method, prompt, age, state string, public bool) {
		client := &iam.OAuthClient{ID: "c", ProfileID: oauthclient.Web, PKCERequired: public}
		a := &asked{client: client, maxAge: -1, Authorization: &propuskpb.Authorization{ResponseType: "code", Scope: scope, CodeChallenge: challenge,
			CodeChallengeMethod: method, Prompt: prompt, MaxAge: age, State: state}}
		if a.judge() != nil {
			return
		}
		if challenge == "" && (public || state == "" || method != "") || challenge != "" && (method != "S256" || len(challenge) != 43) {
			t.Errorf("challenge %q by %q, state %q", challenge, method, state)
		}
		if hasScope(a.scopes, oauthclient.ScopeCloud) || strings.Join(a.scopes, " ") != strings.Join(strings.Fields(strings.Join(a.scopes, " ")), " ") {
			t.Errorf("scopes %q", a.scopes)
		}
		if a.maxAge < 0 != (age == "") || a.maxAge > 1<<31*time.Second || a.prompted(promptNone) && len(a.prompts) > 1 {
			t.Errorf("max_age %q, prompt %q", age, prompt)
		}
	})
}

func TestMustSignIn(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		what         string
		prompts      []string
		maxAge       time.Duration
		began, since time.Time
		want         bool
	}{
		{"nothing asked", nil, -1, ago(time.Hour), time.Time{}, false},
		{"login", []string{promptLogin}, -1, ago(time.Second), time.Time{}, true},
		{"login, done", []string{promptLogin}, -1, ago(time.Second), ago(2 * time.Second), false},
		{"login, at that very moment", []string{promptLogin}, -1, ago(time.Second), ago(time.Second), false},
		{"login, not done", []string{promptLogin}, -1, ago(3 * time.Second), ago(2 * time.Second), true},
		{"login, done long ago", []string{promptLogin}, -1, ago(signInFresh), ago(time.Hour), true},
		{"as old as may be", nil, time.Minute, ago(time.Minute), time.Time{}, false},
		{"older", nil, time.Minute, ago(time.Minute + 1), time.Time{}, true},
		{"0", nil, 0, ago(time.Second), time.Time{}, true},
		{"0, done", nil, 0, ago(time.Second), ago(2 * time.Second), false},
		{"consent alone", []string{promptConsent}, -1, ago(time.Hour), time.Time{}, false},
	} {
		a := &asked{prompts: c.prompts, maxAge: c.maxAge}
		if got := a.mustSignIn(now, c.began, c.since); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
