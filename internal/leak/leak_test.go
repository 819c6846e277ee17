package leak_test

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
)

// published are the matchers of the API's documents, as they stand there
// [API fact: published regexes]: those of code hosts, and those for searching
// one's own files, which are looser.
var published = map[leak.Kind][]string{
	leak.IAMToken:          {`t1\.[A-Z0-9a-z_-]+[=]{0,2}\.[A-Z0-9a-z_-]{86}[=]{0,2}`, `t1\.[A-Z0-9a-z_-]+[=]{0,2}\.[A-Z0-9a-z_-]{43,}[=]{0,2}`},
	leak.IAMCookie:         {`c1\.[A-Z0-9a-z_-]+[=]{0,2}\.[A-Z0-9a-z_-]{86}[=]{0,2}`},
	leak.RefreshToken:      {`rt1\.[A-Z0-9a-z_-]+[=]{0,2}\.[A-Z0-9a-z_-]{86}[=]{0,2}`},
	leak.SessionToken:      {`s1\.[A-Z0-9a-z_-]+[=]{0,2}\.[A-Z0-9a-z_-]{43,}[=]{0,2}`},
	leak.APIKey:            {`AQVN[A-Za-z0-9_\-]{35,38}`},
	leak.AccessSecret:      {`YC[a-zA-Z0-9_\-]{38}`},
	leak.AuthorizedKey:     {`PLEASE DO NOT REMOVE THIS LINE! Yandex\.Cloud SA Key ID <[a-z0-9]+>\n-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----`},
	leak.OAuthToken:        {`y[0-6]_[-_A-Za-z0-9]{55,199}`},
	leak.OAuthClientSecret: {`yccs__[0-9a-f]{64}_[0-9a-f]{8}`},
	leak.CaptchaKey:        {`ysc2_[a-zA-Z0-9]{40}[0-9a-f]{8}`},
}

// Ten thousand of each kind: every published matcher takes each whole, every
// checksum is right, and Find finds it, and it alone.
func TestGenerated(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 200
	}
	for _, kind := range leak.Kinds() {
		if !kind.Sought() {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var all []*regexp.Regexp
			for _, text := range published[kind] {
				all = append(all, regexp.MustCompile(text))
			}
			if len(all) == 0 {
				t.Fatal("there is no published matcher")
			}
			for i := range n {
				secret := samples[kind](t)
				for _, matcher := range all {
					if matcher.FindString(secret) != secret {
						t.Fatalf("%s does not match a sample whole", matcher)
					}
				}
				if i < 25 && kind.Regexp().FindString(secret) != secret { // those of tokens are slow
					t.Fatalf("%s does not match a sample whole", kind.Regexp())
				}
				if !leak.Valid(kind, secret) {
					t.Fatal("a sample is not valid")
				}
				text := "secret = \"" + secret + "\"\n"
				if diff := cmp.Diff([]leak.Match{{Kind: kind, Start: 10, End: 10 + len(secret)}}, find(text)); diff != "" {
					t.Fatal(diff)
				}
			}
		})
	}
}

func find(text string) []leak.Match {
	var all []leak.Match
	leak.Find([]byte(text), func(m leak.Match) { all = append(all, m) })
	return all
}

// kindsIn are the kinds that Find finds in a text.
func kindsIn(text string) []leak.Kind {
	var all []leak.Kind
	for _, m := range find(text) {
		all = append(all, m.Kind)
	}
	return all
}

// Where people put secrets.
func TestSurroundings(t *testing.T) {
	for kind, sample := range samples {
		secret := sample(t)
		inJSON, _ := json.Marshal(secret)
		twice, _ := json.Marshal(string(inJSON))
		places := map[string]string{
			"alone": secret, "a line": "\n" + secret + "\n", "JSON": `{"a":` + string(inJSON) + `}`, "JSON in JSON": string(twice),
			"CRLF": "x=" + strings.ReplaceAll(secret, "\n", "\r\n") + "\r\n", "YAML": "key: |\n  " + strings.ReplaceAll(secret, "\n", "\n  ") + "\n",
			"a long line": strings.Repeat("lorem ipsum ", 50_000) + secret + strings.Repeat(" dolor", 1000),
			"JSON of PHP": `{"a":` + strings.ReplaceAll(string(inJSON), "/", `\/`) + `}`,
			"a diff":      "@@ -1 +1,9 @@\n+" + strings.ReplaceAll(secret, "\n", "\n+") + "\n x\n", "what a diff takes away": "-" + strings.ReplaceAll(secret, "\n", "\r\n-") + "\r\n",
			"binary": "\x00\x01\xff" + secret + "\x00", "base64 around": strings.Repeat("QUJDREVG", 1000) + "\n" + secret + "\n" + strings.Repeat("QUJDREVG", 1000),
		}
		if kind != leak.AuthorizedKey {
			places["URL"] = "https://example.com/?token=" + secret + "&x=1"
			places["escaped URL"] = "a%3D" + secret + "%26x"
			places["shell"] = "export T='" + secret + "'"
			places["after an escape"] = `"Authorization:\n` + secret + `\n"`
			places["after \\u003d"] = `"token\u003d` + secret + `\u0026"`
			places["after \\x3d"] = `"token\x3d` + secret + `\x22"`
			places["coloured"] = "\x1b[38;5;196;48;5;1m" + secret + "\x1b[0m"
			places["coloured by grep"] = "\x1b[01;31m\x1b[K" + secret + "\x1b[m\x1b[K\n"
			places["of colours that lost their escapes"] = "[32m" + secret + "[0m"
			places["Go"] = "const t = `" + secret + "`"
		}
		for name, text := range places {
			if diff := cmp.Diff([]leak.Kind{kind}, kindsIn(text)); diff != "" {
				t.Errorf("%s, %s: %s", kind, name, diff)
			}
		}
	}
}

// What has a checksum is found within a longer word, too. An OAuth token has no
// fixed length, but those that are made have one.
func TestWithinAWord(t *testing.T) {
	for _, kind := range []leak.Kind{leak.AccessSecret, leak.OAuthToken, leak.OAuthClientSecret, leak.CaptchaKey} {
		secret := samples[kind](t)
		if kind == leak.OAuthToken {
			token, _ := credential.NewOAuthToken()
			secret = token.Reveal()
		}
		want := []leak.Match{{Kind: kind, Start: 5, End: 5 + len(secret)}}
		for _, after := range []string{"", "_", "-x", "_old", strings.Repeat("Z", 300)} {
			if diff := cmp.Diff(want, find("word_"+secret+after)); diff != "" {
				t.Errorf("%s before %q: %s", kind, after, diff)
			}
		}
	}
}

func TestTwoBesideEachOther(t *testing.T) {
	var text strings.Builder
	var want []leak.Kind
	for _, kind := range leak.Kinds() {
		if kind.Sought() {
			want = append(want, kind)
			text.WriteString(samples[kind](t) + "\n")
		}
	}
	if diff := cmp.Diff(want, kindsIn(text.String())); diff != "" {
		t.Error(diff)
	}
}

// What only looks like a credential.
func TestNoCredential(t *testing.T) {
	of := func(kind leak.Kind) string { return samples[kind](t) }
	texts := map[string]string{
		"nothing":             "",
		"a placeholder key":   "AQVN" + strings.Repeat("x", 36),
		"a placeholder token": "t1." + strings.Repeat("x", 250) + "." + strings.Repeat("y", 86),
		"a longer word":       of(leak.APIKey) + "abcdefgh",
		"within a word":       "x" + of(leak.APIKey),
		"no colour":           "4m" + of(leak.APIKey),
		"no escape":           "x3d" + of(leak.APIKey),
		"cut token":           of(leak.IAMToken)[:280],
		"longer token":        of(leak.IAMToken) + "A",
		"cut key":             of(leak.AuthorizedKey)[:1000],
		"no key":              strings.Replace(of(leak.AuthorizedKey), "MII", "MIJ", 1),
		"a key's line alone":  "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <aje1>\n",
		"a matcher":           leak.IAMToken.Matcher() + leak.AuthorizedKey.Matcher(),
		"JWT":                 "eyJhbGciOiJQUzI1NiJ9." + text64(200) + "." + text64(256),
	}
	for _, kind := range []leak.Kind{leak.AccessSecret, leak.OAuthToken, leak.OAuthClientSecret, leak.CaptchaKey} {
		secret := []byte(of(kind))
		if last := &secret[len(secret)-3]; *last == 'a' { // every kind's checksum ends the text
			*last = 'b'
		} else {
			*last = 'a'
		}
		texts["wrong checksum of "+string(kind)] = string(secret)
	}
	for name, text := range texts {
		if got := kindsIn(text); got != nil {
			t.Errorf("%s is taken for %v", name, got)
		}
	}
}

// Sixteen megabytes of base64, in lines and in one, hold nothing.
func TestRandomIsQuiet(t *testing.T) {
	text := text64(12 << 20)
	var lines strings.Builder
	for i := 0; i+76 <= len(text); i += 76 {
		lines.WriteString(text[i:i+76] + "\n")
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(text)
	for _, text := range []string{text, lines.String(), standard} {
		if got := kindsIn(text); got != nil {
			t.Errorf("found %v", got)
		}
	}
}

func TestValid(t *testing.T) {
	for kind, sample := range samples {
		secret := sample(t)
		for other := range samples {
			if other != kind && leak.Valid(other, secret) {
				t.Errorf("%s passes for %s", kind, other)
			}
		}
		for _, wrong := range []string{"", " " + secret, secret + " ", secret + "\n", secret[1:], secret[:30], secret + "\x00"} {
			if leak.Valid(kind, wrong) {
				t.Errorf("%s: %d characters of %d are valid", kind, len(wrong), len(secret))
			}
		}
	}
	if !leak.Valid(leak.LockboxSecret, "yc-my-own-secret-value-1") || leak.Valid(leak.LockboxSecret, "yc short") {
		t.Error("the form of a Lockbox secret is wrong")
	}
	if leak.Valid("nothing", "nothing") {
		t.Error("an unknown kind is valid")
	}
}

func TestMask(t *testing.T) {
	for kind, sample := range samples {
		secret := sample(t)
		mask := leak.Mask(kind, secret)
		if kind == leak.AuthorizedKey {
			if mask != "key "+leak.KeyID(secret) || len(mask) != 24 {
				t.Errorf("%s is shown as %q", kind, mask)
			}
			continue
		}
		before, after, ok := strings.Cut(mask, "****")
		if !ok || before == "" || len(after) < 4 || len(after) > 6 || !strings.HasPrefix(secret, before) || !strings.HasSuffix(secret, after) {
			t.Errorf("%s is shown as %q", kind, mask)
		}
	}
	for _, kind := range append(leak.Kinds(), "nothing") {
		if mask := leak.Mask(kind, "YC-short"); mask != "****" {
			t.Errorf("%s: a short text is shown as %q", kind, mask)
		}
	}
}

// What is sought is also hidden from logs, errors and the audit log, wherever a
// caller has put it: whole, quoted, or cut in the middle.
func TestConcealed(t *testing.T) {
	for _, kind := range leak.Kinds() {
		if !kind.Sought() {
			continue
		}
		for range 200 {
			secret := samples[kind](t)
			for _, text := range []string{
				secret, "Key " + secret + " not found", "key=" + secret + "&x=y", strconv.Quote("\n" + secret), "\\u003d" + secret,
				"path%2F" + secret, secret[:len(secret)-2] + "...",
			} {
				hidden := iam.Conceal(text)
				tail := secret[len(secret)/2 : len(secret)-2]
				if strings.Contains(hidden, tail) || !strings.Contains(hidden, "****") {
					t.Fatalf("%s: a text of %d characters is not hidden within %d others", kind, len(secret), len(text)-len(secret))
				}
			}
		}
	}
	_, ephemeral := temporaryKey(t, true)
	if got := iam.Conceal("Access key " + ephemeral + " not found"); got != "Access key YC**** not found" {
		t.Error("the secret of an ephemeral key is not hidden")
	}
}

func TestPublicHalf(t *testing.T) {
	secret := authorizedKey(t)
	public := leak.PublicHalf(secret)
	line, _, _ := strings.Cut(secret, "\n")
	if !strings.HasPrefix(public, line+"\n-----BEGIN PUBLIC KEY-----\n") || strings.Contains(public, "PRIVATE") {
		t.Errorf("%q", public)
	}
	escaped, _ := json.Marshal(secret)
	if got := leak.PublicHalf(string(escaped[1 : len(escaped)-1])); got != public {
		t.Errorf("escaped, the public half is %q", got)
	}
	for _, mark := range []string{"+", "-"} {
		if got := leak.PublicHalf(strings.ReplaceAll(secret, "\n", "\n"+mark)); got != public {
			t.Errorf("in a diff with %s, the public half is %q", mark, got)
		}
		if text := strings.Replace(secret, "\n", "\n"+mark, 5); leak.PublicHalf(text) != "" {
			t.Errorf("half a diff with %s is taken for one", mark)
		}
	}
	if leak.PublicHalf(iamToken(t)) != "" || leak.PublicHalf(line) != "" {
		t.Error("what is no key has a public half")
	}
}

func TestKinds(t *testing.T) {
	for _, kind := range leak.Kinds() {
		if kind.Regexp() == nil || kind.Regexp().String() != kind.Matcher() {
			t.Errorf("%s: its matcher is not the one", kind)
		}
	}
	if k := leak.Kind("x"); k.Known() || k.Sought() || k.Regexp() != nil {
		t.Error("an unknown kind is known")
	}
}

func shuffled(t testing.TB) string {
	var text strings.Builder
	for text.Len() < 3*leak.Window {
		for _, sample := range samples {
			switch rand.IntN(6) {
			case 0:
				text.WriteString(sample(t))
			case 1:
				text.WriteString(strings.Repeat("word word\n", rand.IntN(300)))
			case 2:
				text.WriteString(text64(rand.IntN(3000)))
			case 3:
				text.WriteString(sample(t) + " # " + leak.AllowMark + "\n")
			default:
				text.WriteString([]string{"\n", " ", "=", `\n`, "й", "\"", "."}[rand.IntN(7)])
			}
		}
	}
	return text.String()
}
