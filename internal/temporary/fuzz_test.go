package temporary_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/temporary"
)

// No text but one that the key has made is taken.
func FuzzParse(f *testing.F) {
	k := newKey(f, keyID, 1)
	known := map[string]bool{}
	for _, s := range []*temporary.Session{child(), own(), largest()} {
		text, _ := made(f, k, s)
		known[text] = true
		f.Add(text)
		f.Add(text[:len(text)-1])
	}
	f.Add("s1.")
	f.Fuzz(func(t *testing.T, text string) {
		_, _, err := k.Parse(text)
		if (err == nil) != known[text] || err != nil && !errors.Is(err, temporary.ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
		if id, err := temporary.KeyOf(text); err == nil && known[text] && id != keyID {
			t.Errorf("%q: made by %q", text, id)
		}
	})
}

// A payload has one spelling: what is read is written byte for byte, and what
// is written says the same.
func FuzzPayload(f *testing.F) {
	k := newKey(f, keyID, 1)
	for _, s := range []*temporary.Session{child(), own(), largest()} {
		f.Add(payloadOf(f, s))
	}
	later := child()
	later.Policy = "a policy that makes padding unnecessary"
	f.Add(append(payloadOf(f, later), 128, 1, 'x', 200, 0))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) < 146 || len(payload) > 5919 {
			return
		}
		again, reason := temporary.Again(payload)
		if reason != "" {
			return
		}
		if !bytes.Equal(payload, again) {
			t.Fatalf("two spellings:\n%x\n%x", payload, again)
		}
		s, secret, err := k.Parse(k.Tagged(payload))
		if err != nil {
			if s, _, err = newKey(t, "other", 1).Parse(k.Tagged(payload)); err == nil {
				t.Fatalf("%+v of another key", s)
			}
			return
		}
		if secret.Reveal() == "" {
			t.Fatal("no secret")
		}
		text, _, err := k.Make(s)
		if err != nil {
			t.Fatalf("what was read cannot be made: %v", err)
		}
		if twice, _, err := k.Parse(text.Reveal()); err != nil || cmp.Diff(s, twice) != "" {
			t.Fatalf("%v %s", err, cmp.Diff(s, twice))
		}
	})
}
