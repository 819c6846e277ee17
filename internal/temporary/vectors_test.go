package temporary_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/temporary"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vector pins the format: nodes of several versions make and read the same
// tokens, so a change of these is a new version of the payload.
type vector struct {
	Name    string             `json:"name"`
	Session *temporary.Session `json:"session"`
	Payload string             `json:"payloadHex"`
	Token   string             `json:"token"`
	Secret  string             `json:"secret"`
}

func TestVectors(t *testing.T) {
	path := filepath.Join("testdata", "vectors.json")
	k := newKey(t, keyID, 1) // of the bytes 01 to 20
	var want []vector
	if *update {
		limited := child()
		limited.Policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}`
		for _, v := range []vector{{Name: "a child of a static key", Session: child()}, {Name: "an ephemeral key of a person", Session: own()},
			{Name: "with a policy", Session: limited}} {
			text, secret, err := k.Make(v.Session)
			if err != nil {
				t.Fatal(err)
			}
			v.Payload, v.Token, v.Secret = hex.EncodeToString(temporary.Payload(text)), text.Reveal(), secret.Reveal()
			want = append(want, v)
		}
		b, err := json.MarshalIndent(want, "", "\t")
		if err == nil {
			err = os.WriteFile(path, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		want = nil
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &want)
	}
	if err != nil || len(want) != 3 {
		t.Fatalf("%d vectors, %v", len(want), err)
	}
	for _, v := range want {
		text, secret := made(t, k, v.Session)
		if text != v.Token || secret != v.Secret {
			t.Errorf("%s: another token or secret is made", v.Name)
		}
		got, again, err := k.Parse(v.Token)
		if err != nil || again.Reveal() != v.Secret || cmp.Diff(v.Session, got) != "" {
			t.Errorf("%s: %v\n%s", v.Name, err, cmp.Diff(v.Session, got))
		}
	}
}

func BenchmarkParse(b *testing.B) {
	k := newKey(b, keyID, 1)
	text, _ := made(b, k, child())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
