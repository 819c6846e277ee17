package leak_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/leak"
)

// reference finds the same by trying every kind's matcher at every place.
// Beside the matchers it knows what Find promises: where a credential without
// a checksum begins and ends.
func reference(text string) []leak.Match {
	var all []leak.Match
	for i := 0; i < len(text); i++ {
		for _, r := range references {
			n := len(r.begins.FindString(text[i:]))
			if r.kind == leak.OAuthToken && n > 58 && !leak.Valid(r.kind, text[i:i+n]) {
				n = 58 // as long as most are
			}
			if n == 0 || !leak.Valid(r.kind, text[i:i+n]) {
				continue
			}
			next := text[i+n : min(len(text), i+n+1)]
			if !r.anywhere && (!wordBegins.MatchString(text[max(0, i-32):i]) || wordGoesOn.MatchString(next) && text[i+n-1] != '=') {
				continue
			}
			all = append(all, leak.Match{Kind: r.kind, Start: i, End: i + n})
			i += n - 1
			break
		}
	}
	return all
}

var (
	wordBegins = regexp.MustCompile(`(?s)(?:^|[^A-Za-z0-9_-]|(?:^|\n)-|\[[0-9;:]{0,23}[mK]|\\.|%[0-9a-fA-F]{2}|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4})$`)
	wordGoesOn = regexp.MustCompile(`[A-Za-z0-9_-]`)

	references = []struct {
		kind     leak.Kind
		begins   *regexp.Regexp
		anywhere bool
	}{
		{leak.RefreshToken, regexp.MustCompile(`^rt1\.[A-Z0-9a-z_-]{200,}[=]{0,2}\.[A-Z0-9a-z_-]{86}[=]{0,2}`), false},
		{leak.IAMToken, regexp.MustCompile(`^t1\.[A-Z0-9a-z_-]{200,}[=]{0,2}\.[A-Z0-9a-z_-]{86}[=]{0,2}`), false},
		{leak.IAMCookie, regexp.MustCompile(`^c1\.[A-Z0-9a-z_-]{200,}[=]{0,2}\.[A-Z0-9a-z_-]{86}[=]{0,2}`), false},
		{leak.SessionToken, regexp.MustCompile(`^s1\.[A-Z0-9a-z_-]{150,}[=]{0,2}\.[A-Z0-9a-z_-]{43,86}[=]{0,2}`), false},
		{leak.APIKey, regexp.MustCompile("^" + leak.APIKey.Matcher()), false},
		{leak.AuthorizedKey, regexp.MustCompile("^" + leak.AuthorizedKey.Matcher()), true},
		{leak.AuthorizedKey, inDiff(`\+`, `[^-]*`), true},
		{leak.AuthorizedKey, inDiff(`-`, `(?:[^-]|\n-)*`), true},
		{leak.AccessSecret, regexp.MustCompile("^" + leak.AccessSecret.Matcher()), true},
		{leak.OAuthToken, regexp.MustCompile("^" + leak.OAuthToken.Matcher()), true},
		{leak.OAuthClientSecret, regexp.MustCompile("^" + leak.OAuthClientSecret.Matcher()), true},
		{leak.CaptchaKey, regexp.MustCompile("^" + leak.CaptchaKey.Matcher()), true},
	}
)

// inDiff matches an authorized key whose lines begin with a mark.
func inDiff(mark, body string) *regexp.Regexp {
	line, _, _ := strings.Cut(leak.AuthorizedKey.Matcher(), `(?:\s`)
	return regexp.MustCompile("^" + line + `\r?\n` + mark + `-----BEGIN PRIVATE KEY-----` + body + `-----END PRIVATE KEY-----`)
}

func FuzzFind(f *testing.F) {
	var everything strings.Builder
	for _, sample := range samples {
		secret := sample(f)
		f.Add(secret)
		f.Add("x " + secret + secret)
		f.Add(`\n` + secret + `=`)
		f.Add("%3d" + secret + ".")
		f.Add(`\x3d` + secret + "\x1b[0m\x1b[01;31m" + secret)
		f.Add("+" + strings.ReplaceAll(secret, "\n", "\n+") + "\n-" + strings.ReplaceAll(secret, "\n", "\r\n-"))
		f.Add("-" + secret + "_old")
		everything.WriteString(secret + "\n")
	}
	f.Add(everything.String())
	f.Add(`AQ` + strings.Repeat(`YCyccs__y0_ysc2_`, 30) + `\rrt1.`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 16<<10 {
			return
		}
		if diff := cmp.Diff(reference(text), find(text)); diff != "" {
			t.Error(diff)
		}
		var s leak.Scanner
		if diff := cmp.Diff(whole(text), scan(t, &s, strings.NewReader(text))); diff != "" {
			t.Error(diff)
		}
	})
}
