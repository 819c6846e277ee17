package token_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

func TestEnded(t *testing.T) {
	at := token.Dependency{Kind: token.KindSession, ID: "ses00000000000000001"}
	rests := []token.Dependency{at, {Kind: token.KindFolder, ID: "fol00000000000000001"}, {Kind: token.KindSigningKey, ID: "sik00000000000000009"}}
	for name, test := range map[string]struct {
		kind token.Kind
		id   string
		seq  uint64
		want error
	}{
		"itself":                 {at.Kind, at.ID, 101, token.ErrRevoked},
		"what it rests on":       {token.KindFolder, "fol00000000000000001", 5000, token.ErrRevoked},
		"its signing key":        {token.KindSigningKey, "sik00000000000000009", 101, token.ErrRevoked},
		"the installation":       {token.KindInstallation, installation, 101, token.ErrRevoked},
		"at its position":        {at.Kind, at.ID, 100, nil},
		"before it":              {token.KindInstallation, installation, 99, nil},
		"the id of another kind": {token.KindToken, at.ID, 101, nil},
		"another id":             {at.Kind, "ses00000000000000002", 101, nil},
		"a key of tokens alone":  {token.KindSigningKey, "sik00000000000000001", 101, nil},
	} {
		v := localVerifier(t, token.Config{})
		if err := v.Ended(100, rests); err != nil {
			t.Fatalf("%s: before: %v", name, err)
		}
		if err := v.Advance(5001, []token.Revocation{{Kind: test.kind, Hash: token.HashID(test.kind, test.id), Seq: test.seq}}); err != nil {
			t.Fatal(err)
		}
		if err := v.Ended(100, rests); !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		after := error(nil)
		if test.kind == token.KindSigningKey {
			after = test.want // a forger names what position he likes
		}
		if err := v.Ended(test.seq, rests); !errors.Is(err, after) || (err == nil) != (after == nil) {
			t.Errorf("%s: what was made after it: %v, want %v", name, err, after)
		}
	}
	var many []token.Dependency
	for i := range 40 {
		many = append(many, token.Dependency{Kind: token.KindToken, ID: fmt.Sprint("t", i)})
	}
	v := localVerifier(t, token.Config{})
	if err := v.Advance(5001, []token.Revocation{{Kind: token.KindToken, Hash: token.HashID(token.KindToken, "t39"), Seq: 101}}); err != nil {
		t.Fatal(err)
	}
	if err := v.Ended(100, many); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("the last of many: %v", err)
	}
}

func TestEndedSaysNothingWithoutKnowledge(t *testing.T) {
	v, err := token.NewVerifier(token.Config{Local: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Ended(1, nil); !errors.Is(err, token.ErrStale) {
		t.Errorf("before a snapshot: %v", err)
	}
	c := &clock{t: issued}
	away, err := token.NewVerifier(token.Config{BaseURL: "http://127.0.0.1:1", Root: public(seedKey(1)), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	c.set(issued.Add(time.Hour))
	if err := away.Ended(1, nil); !errors.Is(err, token.ErrStale) {
		t.Errorf("a verifier that never heard of its server: %v", err)
	}
}
