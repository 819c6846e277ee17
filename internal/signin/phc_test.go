package signin_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
)

// cheap is a cost that tests can pay.
var cheap = signin.Parameters{MemoryKiB: 64, Passes: 1, Lanes: 1}

func TestPHCIsReadAsItIsWritten(t *testing.T) {
	text := cheap.PHC(iam.NewSecret("correct horse"))
	if !strings.HasPrefix(text, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("%s", text)
	}
	h, err := signin.ParsePHC(text)
	if err != nil || h.String() != text || h.Parameters != cheap {
		t.Errorf("read as %s, %v", h, err)
	}
	if again := cheap.PHC(iam.NewSecret("correct horse")); again == text {
		t.Error("two hashes of a password have one salt")
	}
}

func TestForeignPHCIsRefused(t *testing.T) {
	good := cheap.PHC(iam.NewSecret("x"))
	for name, text := range map[string]string{
		"nothing":             "",
		"another algorithm":   strings.Replace(good, "argon2id", "argon2i", 1),
		"another version":     strings.Replace(good, "v=19", "v=16", 1),
		"too much memory":     strings.Replace(good, "m=64", "m=4194304", 1),
		"no memory":           strings.Replace(good, "m=64", "m=0", 1),
		"too many passes":     strings.Replace(good, "t=1", "t=1000", 1),
		"too many lanes":      strings.Replace(good, "p=1", "p=99", 1),
		"a sign":              strings.Replace(good, "t=1", "t=+1", 1),
		"a leading zero":      strings.Replace(good, "t=1", "t=01", 1),
		"another order":       strings.Replace(good, "m=64,t=1", "t=1,m=64", 1),
		"a line break":        good + "\n",
		"a line break within": good[:40] + "\n" + good[40:],
		"more":                good + "$",
		"padding":             good + "=",
		"a short hash":        good[:len(good)-30],
	} {
		if h, err := signin.ParsePHC(text); err == nil {
			t.Errorf("%s: %q is read as %v", name, text, h)
		}
	}
}

func FuzzPHC(f *testing.F) {
	f.Add(cheap.PHC(iam.NewSecret("x")))
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := signin.ParsePHC(text)
		if err == nil && h.String() != text {
			t.Errorf("%q is read and written as %q", text, h)
		}
		if err == nil && (h.MemoryKiB > 256<<10 || h.Passes > 16 || h.Lanes > 16) {
			t.Errorf("%q takes too much", text)
		}
	})
}
