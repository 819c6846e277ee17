package leak_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/leak"
)

// found is a finding that can be kept and compared.
type found struct {
	Kind         leak.Kind
	Text         string
	Offset       int64
	Line, Column int
	Allowed      bool
}

func scan(t testing.TB, s *leak.Scanner, r io.Reader) []found {
	t.Helper()
	var all []found
	if _, err := s.Scan(r, func(f leak.Finding) {
		all = append(all, found{f.Kind, string(f.Text), f.Offset, f.Line, f.Column, f.Allowed})
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// whole is what Find finds, with the places that counting from the start gives.
func whole(text string) []found {
	var all []found
	for _, m := range find(text) {
		before := text[:m.Start]
		line := strings.LastIndexByte(before, '\n') + 1
		rest, _, _ := strings.Cut(text[m.End:], "\n")
		all = append(all, found{m.Kind, text[m.Start:m.End], int64(m.Start), strings.Count(before, "\n") + 1,
			utf8.RuneCountInString(before[line:]) + 1, strings.Contains(rest[:min(len(rest), 1024)], leak.AllowMark)})
	}
	return all
}

// Read in pieces, a text holds what it holds as a whole, whatever stands where
// the pieces end.
func TestScannerFindsWhatFindFinds(t *testing.T) {
	var s leak.Scanner
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		text := shuffled(t)
		text = text[rand.IntN(leak.Overlap):]
		if !utf8.ValidString(text[:1]) {
			text = "x" + text
		}
		want := whole(text)
		if len(want) < 20 {
			t.Fatalf("the text holds %d credentials only", len(want))
		}
		if diff := cmp.Diff(want, scan(t, &s, iotest.HalfReader(strings.NewReader(text)))); diff != "" {
			t.Fatalf("%d bytes: %s", len(text), diff)
		}
	}
}

// Every kind, across every border between two pieces.
func TestScannerAcrossBorders(t *testing.T) {
	var s leak.Scanner
	for kind, sample := range samples {
		secret := sample(t)
		step := max(1, len(secret)/40)
		for _, border := range []int{leak.Window - leak.Overlap, leak.Window, 2*leak.Window - 2*leak.Overlap} {
			for at := border - len(secret) - 10; at < border+10; at += step {
				text := strings.Repeat("word wor\n", at/9) + strings.Repeat(" ", at%9) + secret + "\n" + strings.Repeat("word wor\n", 2*leak.Window/9)
				got := scan(t, &s, strings.NewReader(text))
				want := []found{{kind, secret, int64(at), at/9 + 1, at%9 + 1, false}}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s at %d: %s", kind, at, diff)
				}
			}
		}
	}
}

func TestScannerColumnsOfALongLine(t *testing.T) {
	var s leak.Scanner
	secret := captchaKey()
	got := scan(t, &s, strings.NewReader(strings.Repeat("ж ", leak.Window)+secret))
	if len(got) != 1 || got[0].Line != 1 || got[0].Column != 2*leak.Window+1 || got[0].Offset != 3*leak.Window {
		t.Errorf("found at %d:%d, offset %d", got[0].Line, got[0].Column, got[0].Offset)
	}
}

// A reader that fails: what it gave before is searched, and the error comes out.
func TestScannerReaderFails(t *testing.T) {
	var s leak.Scanner
	broken := errors.New("broken")
	n := 0
	read, err := s.Scan(io.MultiReader(strings.NewReader(captchaKey()), iotest.ErrReader(broken)), func(leak.Finding) { n++ })
	if n != 1 || read != 53 || !errors.Is(err, broken) {
		t.Errorf("%d findings in %d bytes, %v", n, read, err)
	}
}
