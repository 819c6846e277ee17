package iamclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/propusktest"
)

func exchanger(t *testing.T, url string) *iamclient.Exchanger {
	t.Helper()
	e, err := iamclient.NewExchanger(iamclient.ExchangerOptions{URL: url, Attempt: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func sign(t *testing.T, key *keyfile.File, when time.Duration) string {
	t.Helper()
	jwt, err := keyfile.SignJWT(key, keyfile.PublicAudience, time.Now().Add(when), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return jwt.Reveal()
}

func TestExchangesAtARealServer(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	e := exchanger(t, s.HTTPURL)
	ctx := within(t, time.Minute)
	got, err := e.Exchange(ctx, iam.NewSecret(propusktest.JWT(t, s.Key)), iamclient.TypeJWT, "")
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(got.ExpiresAt); (left - life).Abs() > 5*time.Second {
		t.Errorf("%v left, want %v", left, life)
	}
	works(t, s, got.Text)
	if _, err = e.Exchange(ctx, iam.NewSecret(s.AdminToken(t)), iamclient.TypeAccessToken, s.ServiceAccountID); err != nil {
		t.Errorf("an IAM token for another account's: %v", err)
	}
	expired, stranger := sign(t, parse(t, s.Key), -2*time.Hour), parse(t, s.Key)
	stranger.ID = "ajenobodys0000000000"
	for name, tc := range map[string]struct {
		subject, kind, account string
		want                   iam.Kind
		definite               bool
	}{
		"a token of another issuer": {propusktest.JWT(t, s.Key), iamclient.TypeIDToken, s.ServiceAccountID, iam.PermissionDenied, true},
		"nonsense":                  {"a.b.c", iamclient.TypeJWT, "", iam.Unauthenticated, true},
		"unknown type":              {"a.b.c", "urn:x", "", iam.Unauthenticated, true},
		"expired":                   {expired, iamclient.TypeJWT, "", iam.Unauthenticated, false},
		"of an unknown key":         {sign(t, stranger, 0), iamclient.TypeJWT, "", iam.Unauthenticated, true},
	} {
		_, err := e.Exchange(ctx, iam.NewSecret(tc.subject), tc.kind, tc.account)
		if !errors.Is(err, tc.want) || iamclient.Definite(err) != tc.definite || strings.Contains(err.Error(), tc.subject) {
			t.Errorf("%s: %v (definite %v), want %v", name, err, iamclient.Definite(err), tc.want)
		}
	}
}

func TestAnswersOfTokenEndpoints(t *testing.T) {
	const subject = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
	for name, tc := range map[string]struct {
		status   int
		header   string // x-request-id
		body     string
		want     iam.Kind
		definite bool
	}{
		"expired":          {400, "r1", `{"error":"invalid_grant","error_description":"The JWT has expired"}`, iam.Unauthenticated, false},
		"refused":          {400, "r1", `{"error":"invalid_grant","error_description":"The service account x has expired"}`, iam.Unauthenticated, true},
		"of a proxy":       {403, "", `<html>Forbidden</html>`, iam.Internal, false},
		"of another proxy": {403, "r1", `{"message":"` + subject + `"}`, iam.Internal, false},
		"repeats":          {400, "r1", `{"error":"invalid_grant","error_description":"` + subject + `"}`, iam.Unauthenticated, true},
		"too many":         {429, "r1", `{"error":"temporarily_unavailable"}`, iam.Unavailable, false},
		"bad gateway":      {502, "", `{"error":"invalid_grant"}`, iam.Unavailable, false},
		"a redirect":       {307, "", ``, iam.Internal, false},
		"no JSON":          {200, "", `token`, iam.Internal, false},
		"no token":         {200, "", `{}`, iam.Internal, false},
		"two lines":        {200, "", `{"access_token":"a\nb","expires_in":60}`, iam.Internal, false},
		"ended":            {200, "", `{"access_token":"a","expires_in":0}`, iam.Unavailable, false},
		"negative":         {200, "", `{"access_token":"a","expires_in":-5}`, iam.Unavailable, false},
		"another type":     {200, "", `{"access_token":["` + subject + `"]}`, iam.Internal, false},
		"huge":             {200, "", `{"access_token":"` + strings.Repeat("a", 100<<10) + `"}`, iam.Internal, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
			defer elsewhere.Close()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/oauth/token" || r.PostFormValue("subject_token") != subject || r.PostFormValue("audience") != "aje1" {
					t.Errorf("asked %s with %v", r.URL, r.PostForm)
				}
				w.Header().Set("X-Request-Id", tc.header)
				w.Header().Set("Location", elsewhere.URL)
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			}))
			defer s.Close()
			_, err := exchanger(t, s.URL).Exchange(within(t, time.Second), iam.NewSecret(subject), iamclient.TypeIDToken, "aje1")
			if !errors.Is(err, tc.want) || iamclient.Definite(err) != tc.definite || strings.Contains(err.Error(), subject) {
				t.Errorf("%v (definite %v), want %v (%v)", err, iamclient.Definite(err), tc.want, tc.definite)
			}
		})
	}
}

func TestExpiresInIsBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"access_token":"a","expires_in":9223372036854775807}`)
	}))
	defer s.Close()
	got, err := exchanger(t, s.URL).Exchange(within(t, time.Second), iam.NewSecret("x"), iamclient.TypeJWT, "")
	if left := time.Until(got.ExpiresAt); err != nil || left > life || left < life-time.Minute {
		t.Errorf("%v left, %v; want %v", left, err, life)
	}
}

func TestTokenEndpointIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // until then a server does not notice that a client is gone
		switch n++; n {
		case 1:
			<-r.Context().Done() // silent
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprint(w, `{"access_token":"a","expires_in":60}`)
		}
	}))
	defer s.Close()
	if _, err := exchanger(t, s.URL).Exchange(within(t, 10*time.Second), iam.NewSecret("x"), iamclient.TypeJWT, ""); err != nil || n != 3 {
		t.Errorf("%v after %d calls", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := exchanger(t, s.URL).Exchange(ctx, iam.NewSecret("x"), iamclient.TypeJWT, ""); err == nil {
		t.Error("a call that was given up has brought a token")
	}
}

// FuzzTokenEndpoint: whatever answers, there is a token that fits into a header
// and has some of its life left, or an error.
func FuzzTokenEndpoint(f *testing.F) {
	for _, body := range []string{`{"access_token":"a","expires_in":60}`, `{}`, `[`, `{"access_token":"\u0000","expires_in":1e99}`, ``} {
		f.Add(body)
	}
	var answer string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
	f.Cleanup(s.Close)
	e, err := iamclient.NewExchanger(iamclient.ExchangerOptions{URL: s.URL})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		answer = body
		got, err := e.Exchange(within(t, 5*time.Second), iam.NewSecret("subject"), iamclient.TypeJWT, "")
		if err != nil {
			return
		}
		if text := got.Text.Reveal(); text == "" || strings.ContainsAny(text, "\r\n ") || !got.ExpiresAt.After(got.ReceivedAt) {
			t.Errorf("%q gives %q until %v", body, text, got.ExpiresAt)
		}
	})
}
