package cli

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
)

// FuzzArrival: what a browser brings is taken only with the state and the
// server of the question.
func FuzzArrival(f *testing.F) {
	f.Add("state=S&iss=https%3A%2F%2Fiam.example.com&code=C")
	f.Add("state=S&iss=https%3A%2F%2Fiam.example.com&error=access_denied")
	f.Add("state=S;iss=x&%00&code=\n")
	f.Fuzz(func(t *testing.T, query string) {
		a, err := readArrival(query, issuerURL, "S")
		if err != nil {
			return
		}
		if !strings.Contains(query, "S") || (a.code == "") == (a.errorCode == "") {
			t.Errorf("%q: %+v", query, a)
		}
		if text := (&refusal{code: a.errorCode, text: a.errorText}).Error(); strings.ContainsAny(text, "\x1b\r\n\x00") || len(text) > 10*mostText {
			t.Errorf("unfit for a terminal: %q", text)
		}
	})
}

// FuzzAnswers: whatever an endpoint answers, a token that comes of it fits a header.
func FuzzAnswers(f *testing.F) {
	f.Add(200, `{"access_token":"t1.a.b","token_type":"Bearer","expires_in":60,"refresh_token":"rt1.x"}`)
	f.Add(400, `{"error":"invalid_grant","error_description":"\u001b[2J"}`)
	f.Add(200, `{"issuer":"https://iam.example.com","authorization_endpoint":"https://iam.example.com/a","token_endpoint":"https://iam.example.com/t"}`)
	f.Add(200, `{"access_token":"a","expires_in":1e99}`)
	f.Fuzz(func(t *testing.T, code int, body string) {
		var d issuer
		if d.read(strings.NewReader(body), issuerURL) == nil && (!strings.HasPrefix(d.Authorization, "https://") || !strings.HasPrefix(d.Token, "https://")) {
			t.Errorf("%+v", d)
		}
		answer, err := readAnswer(&http.Response{StatusCode: code, Status: "s\x1b", Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\r\n\x00") {
				t.Errorf("unfit for a terminal: %q", err)
			}
			return
		}
		var pauses []time.Duration
		in := &profile.SignIn{}
		got, err := testIssuer(&answers{}, &pauses).take(in, answer, time.Time{})
		if err == nil && (got.Text.Reveal() == "" || strings.ContainsAny(got.Text.Reveal()+in.RefreshToken.Reveal(), " \r\n\x00\x7f")) {
			t.Errorf("%q", body)
		}
	})
}
