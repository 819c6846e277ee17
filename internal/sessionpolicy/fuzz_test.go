package sessionpolicy_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/sessionpolicy"
)

// naive is what a pattern means, spelled out.
func naive(pattern, text []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == '*':
		return naive(pattern[1:], text) || len(text) > 0 && naive(pattern, text[1:])
	case len(text) == 0:
		return false
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && naive(pattern[1:], text[1:])
}

func FuzzResources(f *testing.F) {
	for _, seed := range [][2]string{{"a*b?c", "axxbxc"}, {"**a", "a"}, {"*?", "ж"}, {"*??", "€"}, {"?*?", "жa"}, {"a*a*a", "aaaa"}, {"*", ""}, {"", "a"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 12 || strings.Contains(pattern, "${") || !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			return // the reference is slow
		}
		quoted, err := json.Marshal("arn:aws:s3:::b" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		p, err := sessionpolicy.Parse(`{"Statement":{"Effect":"Allow","Action":"*","Resource":` + string(quoted) + `}}`)
		if err != nil {
			if !strings.ContainsRune(pattern, utf8.RuneError) {
				t.Fatalf("%q: %v", pattern, err)
			}
			return
		}
		got, _ := p.Allows("s3:GetObject", "arn:aws:s3:::b"+text)
		if want := naive([]rune(pattern), []rune(text)); got != want {
			t.Errorf("%q on %q: %t, want %t", pattern, text, got, want)
		}
	})
}

// Whatever the text, a policy that is read has nothing in it but what is known,
// spells each statement out, and answers always the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"Statement":[` + readOne + `,` + denyOne + `]}`, `{"Version":"2012-10-17","Id":"x","Statement":` + readOne + `}`,
		`{"Statement":[{"Effect":"Allow","NotAction":"*","Resource":"*"}]}`, `{"Statement":[[]]}`, `{"a":{"a":{}}}`, `[1,{"x":null}]`,
	} {
		f.Add(seed, "s3:GetObject", "arn:aws:s3:::photos/2026/a")
	}
	f.Fuzz(func(t *testing.T, text, action, resource string) {
		p, err := sessionpolicy.Parse(text)
		if err != nil {
			if p != nil {
				t.Error("a policy beside an error")
			}
			return
		}
		if utf8.RuneCountInString(text) > sessionpolicy.MaxLength || !json.Valid([]byte(text)) {
			t.Fatalf("read: %q", text)
		}
		ok, why := p.Allows(action, resource)
		if ok != (why == "") {
			t.Errorf("%t: %q", ok, why)
		}
		var plain struct{ Statement json.RawMessage }
		if err := json.Unmarshal([]byte(text), &plain); err != nil {
			t.Fatal(err)
		}
		if ok && !strings.Contains(string(plain.Statement), "Allow") && !strings.Contains(string(plain.Statement), `\u`) {
			t.Errorf("allowed by %s", plain.Statement)
		}
	})
}

// More that denies never allows more, and more that allows never allows less,
// wherever it stands.
func TestMonotonous(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	resource := func() string {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(pick("a", "b", "/", "*", "?"))
		}
		return "arn:aws:s3:::" + b.String()
	}
	statement := func(effect string) string {
		return `{"Effect":"` + effect + `","Action":"` + pick("*", "s3:*", "s3:Get*", "s3:PutObject", "s3:GetObject") + `","Resource":"` + pick("*", resource()) + `"}`
	}
	allowed, refused := 0, 0
	for range 20000 {
		var have []string
		for range r.IntN(5) {
			have = append(have, statement(pick("Allow", "Allow", "Deny")))
		}
		effect := pick("Allow", "Deny")
		at := r.IntN(len(have) + 1)
		more := append(append(append([]string{}, have[:at]...), statement(effect)), have[at:]...)
		action, on := pick("s3:GetObject", "s3:PutObject"), strings.NewReplacer("*", "ab", "?", "a").Replace(resource())
		before, _ := parse(t, `{"Statement":[`+strings.Join(have, ",")+`]}`).Allows(action, on)
		after, _ := parse(t, `{"Statement":[`+strings.Join(more, ",")+`]}`).Allows(action, on)
		if effect == "Deny" && after && !before || effect == "Allow" && before && !after {
			t.Fatalf("%s on %s: %t, and with one more %t:\n%s", action, on, before, after, strings.Join(more, "\n"))
		}
		if allowed++; !before {
			refused++
		}
	}
	if refused < 1000 || allowed-refused < 1000 {
		t.Fatalf("%d of %d were refused: the cases are one-sided", refused, allowed)
	}
}

// Patterns that are made to be slow.
func BenchmarkWorst(b *testing.B) {
	for name, hard := range map[string]string{
		"stars":     strings.Repeat("a*", 900) + "b",
		"questions": "*" + strings.Repeat("a?", 450) + "b",
	} {
		b.Run(name, func(b *testing.B) {
			p := parse(b, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`+hard+`"}}`)
			on := "arn:aws:s3:::" + strings.Repeat("a", 1187)
			for b.Loop() {
				p.Allows("s3:GetObject", on)
			}
		})
	}
}

func BenchmarkUsual(b *testing.B) {
	text := `{"Version":"2012-10-17","Statement":[` + readOne + `,` + denyOne + `]}`
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			parse(b, text)
		}
	})
	b.Run("remembered", func(b *testing.B) {
		var m sessionpolicy.Memory
		for b.Loop() {
			if _, err := m.Parse(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("allows", func(b *testing.B) {
		p := parse(b, text)
		for b.Loop() {
			p.Allows("s3:GetObject", "arn:aws:s3:::photos/2026/holiday/picture.jpg")
		}
	})
}
