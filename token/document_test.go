package token_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

func trust(now time.Time) token.Trust { return token.Trust{Root: public(rootKey()), Now: now} }

// published is what a feed at a fixed time says: a key set, a snapshot and a
// page after a cursor.
func published(t testing.TB) (*feed, [3][]byte) {
	t.Helper()
	f := newFeed(t, func() time.Time { return issued })
	f.pub.Keys = append(f.pub.Keys, token.PublicKey{ID: "a-retired-key", Key: public(seedKey(2)), SignsFrom: issued.Add(-48 * time.Hour), SignsUntil: issued.Add(-24 * time.Hour)})
	f.live = []token.Revocation{
		{Kind: token.KindSession, Hash: token.HashID(token.KindSession, "s2"), Seq: 4000},
		{Kind: token.KindToken, Hash: token.HashID(token.KindToken, "t1"), Seq: 17},
		{Kind: token.KindToken, Hash: token.HashID(token.KindToken, "beyond the position"), Seq: 5001},
	}
	var documents [3][]byte
	var err [3]error
	documents[0], err[0] = f.pub.KeySetDocument(f.signer)
	documents[1], err[1] = f.pub.RevocationSnapshot(f.signer, f.live)
	documents[2], err[2] = f.pub.RevocationsAfter(f.signer, f.live, 17)
	if e := errors.Join(err[:]...); e != nil {
		t.Fatal(e)
	}
	return f, documents
}

func TestDocumentsSayWhatWasPublished(t *testing.T) {
	f, documents := published(t)
	set, err := token.OpenKeySet(documents[0], trust(issued))
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 2 || set.Keys[0].ID != "a-retired-key" || !set.Keys[0].SignsUntil.Equal(issued.Add(-24*time.Hour)) ||
		!reflect.DeepEqual(set.Keys[1].Key, f.pub.Keys[0].Key) || !set.Keys[1].SignsUntil.IsZero() {
		t.Errorf("keys %+v", set.Keys)
	}
	if h := set.Head; h.Position != 5000 || h.Installation != installation || !h.ConfirmedAt.Equal(issued) {
		t.Errorf("head %+v", h)
	}
	page, err := token.OpenRevocations(documents[1], trust(issued))
	if err != nil {
		t.Fatal(err)
	}
	if !page.Snapshot || page.After != 0 || page.Through != 5000 || page.Head.KeySetHash != set.Head.KeySetHash ||
		!reflect.DeepEqual(page.Entries, []token.Revocation{f.live[1], f.live[0]}) {
		t.Errorf("snapshot %+v", page)
	}
	page, err = token.OpenRevocations(documents[2], trust(issued))
	if err != nil {
		t.Fatal(err)
	}
	if page.Snapshot || page.After != 17 || page.Through != 5000 || !reflect.DeepEqual(page.Entries, f.live[:1]) {
		t.Errorf("page %+v", page)
	}
}

func TestDocumentsThatCannotBeMade(t *testing.T) {
	f, _ := published(t)
	if _, err := f.pub.RevocationsAfter(f.signer, nil, 5001); err == nil {
		t.Error("a cursor beyond the position is served")
	}
	bad := f.pub
	bad.Installation = ""
	if _, err := bad.KeySetDocument(f.signer); err == nil {
		t.Error("no installation is published")
	}
	bad = f.pub
	bad.Keys = append(bad.Keys, bad.Keys[0])
	if _, err := bad.RevocationSnapshot(f.signer, nil); err == nil {
		t.Error("a key is published twice")
	}
	if _, err := f.pub.KeySetDocument(token.FeedSigner{}); err == nil {
		t.Error("nobody signed")
	}
	for name, c := range map[string]token.Certificate{
		"installation": {Key: public(feedKey()), NotAfter: issued},
		"key":          {Installation: "i", NotAfter: issued},
		"life":         {Installation: "i", Key: public(feedKey()), NotBefore: issued, NotAfter: issued},
	} {
		if _, err := token.SignCertificate(c, rootKey()); err == nil {
			t.Errorf("a certificate without %s is signed", name)
		}
	}
}

// TestDocumentsCannotBeChanged changes each character of what is published, in
// turn; a document is either refused or says exactly the same.
func TestDocumentsCannotBeChanged(t *testing.T) {
	_, documents := published(t)
	for n, document := range documents {
		want, _ := open(n, document)
		for i := range document {
			changed := bytes.Clone(document)
			changed[i] ^= 1
			got, err := open(n, changed)
			if err == nil && !reflect.DeepEqual(got, want) {
				t.Fatalf("document %d, byte %d: another content is taken", n, i)
			}
			if err != nil && !errors.Is(err, token.ErrUntrusted) {
				t.Fatalf("document %d, byte %d: %v", n, i, err)
			}
		}
	}
}

func open(n int, document []byte) (any, error) {
	if n == 0 {
		return token.OpenKeySet(document, trust(issued))
	}
	return token.OpenRevocations(document, trust(issued))
}

// TestDocumentsDoNotMix puts genuine parts together that do not belong together.
func TestDocumentsDoNotMix(t *testing.T) {
	_, documents := published(t)
	var parts [3]map[string]any
	for i, d := range documents {
		if err := json.Unmarshal(d, &parts[i]); err != nil {
			t.Fatal(err)
		}
	}
	mix := func(n int, part string, from any) {
		t.Helper()
		mixed := map[string]any{}
		for k, v := range parts[n] {
			mixed[k] = v
		}
		mixed[part] = from
		document, err := json.Marshal(mixed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open(n, document); !errors.Is(err, token.ErrUntrusted) {
			t.Errorf("document %d with another %s: %v", n, part, err)
		}
	}
	mix(1, "entries", parts[2]["entries"])
	mix(1, "head", parts[2]["head"])
	mix(1, "head", parts[0]["head"])
	mix(1, "entries", "")
	mix(1, "certificate", parts[0]["head"])
	mix(1, "head", parts[0]["certificate"])
	mix(0, "keys", "")
	mix(0, "keys", `{"installation":"`+installation+`","keys":[]}`)
}

func TestCertificateHoldsForItsTime(t *testing.T) {
	f := newFeed(t, func() time.Time { return issued })
	from, until := issued.Add(-time.Hour), issued.Add(24*time.Hour)
	for at, good := range map[time.Time]bool{
		from: true, from.Add(-time.Second): false, from.Add(-time.Second - time.Millisecond): false,
		until.Add(-time.Millisecond): true, until: false,
	} {
		c, err := token.VerifyCertificate(f.signer.Certificate, public(rootKey()), at, 0)
		if (err == nil) != good {
			t.Errorf("at %v: %v", at, err)
		}
		if err == nil && !reflect.DeepEqual(c.Key, public(feedKey())) {
			t.Errorf("another key: %x", c.Key)
		}
	}
	for at, good := range map[time.Time]bool{
		from.Add(-time.Minute): true, from.Add(-time.Minute - 1): false,
		until.Add(time.Minute - 1): true, until.Add(time.Minute): false,
	} {
		if _, err := token.VerifyCertificate(f.signer.Certificate, public(rootKey()), at, time.Minute); (err == nil) != good {
			t.Errorf("with a minute of skew, at %v: %v", at, err)
		}
	}
	if _, err := token.VerifyCertificate(f.signer.Certificate, nil, issued, 0); !errors.Is(err, token.ErrUntrusted) {
		t.Errorf("without a root: %v", err)
	}
}

func TestPagesNeverCutAChange(t *testing.T) {
	f, _ := published(t)
	f.live = nil
	for i := range token.MaxPageEntries + 1000 {
		seq := uint64(10)
		if i >= token.MaxPageEntries-5 {
			seq = 11
		}
		f.live = append(f.live, token.Revocation{Hash: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, Seq: seq})
	}
	read := func(document []byte, err error) *token.RevocationPage {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		page, err := token.OpenRevocations(document, trust(issued))
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	first := read(f.pub.RevocationSnapshot(f.signer, f.live))
	second := read(f.pub.RevocationsAfter(f.signer, f.live, first.Through))
	if first.Through != 10 || len(first.Entries) != token.MaxPageEntries-5 || second.Through != 5000 || len(second.Entries) != 1005 {
		t.Errorf("pages through %d with %d, through %d with %d", first.Through, len(first.Entries), second.Through, len(second.Entries))
	}
	for i := range f.live {
		f.live[i].Seq = 12
	}
	f.live[0].Seq = 13
	whole := read(f.pub.RevocationSnapshot(f.signer, f.live))
	if whole.Through != 12 || len(whole.Entries) != len(f.live)-1 {
		t.Errorf("one change: through %d with %d", whole.Through, len(whole.Entries))
	}
}

func TestJWKS(t *testing.T) {
	got, err := token.JWKS([]token.PublicKey{{ID: "k2", Key: public(seedKey(2))}, {ID: "k1", Key: public(seedKey(1))}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","use":"sig","alg":"EdDSA","x":"` + encoded(public(seedKey(1))) + `"},` +
		`{"kty":"OKP","crv":"Ed25519","kid":"k2","use":"sig","alg":"EdDSA","x":"` + encoded(public(seedKey(2))) + `"}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if empty, err := token.JWKS(nil); err != nil || string(empty) != `{"keys":[]}` {
		t.Errorf("no keys: %s, %v", empty, err)
	}
	if _, err := token.JWKS([]token.PublicKey{{ID: "k", Key: []byte("short")}}); err == nil {
		t.Error("a short key is rendered")
	}
}

// FuzzOpen feeds both readers; the head is signed anew each time, so that the
// fuzzer gets behind the signatures.
func FuzzOpen(f *testing.F) {
	feed, documents := published(f)
	for _, d := range documents {
		var parts struct {
			Head          token.SignedText
			Keys, Entries string
		}
		if err := json.Unmarshal(d, &parts); err != nil {
			f.Fatal(err)
		}
		f.Add(parts.Head.Body, parts.Keys, parts.Entries)
	}
	f.Add(strings.Repeat("[", 200), "{}", "AA")
	f.Fuzz(func(t *testing.T, head, keys, entries string) {
		document, err := json.Marshal(map[string]any{
			"certificate": feed.signer.Certificate, "keys": keys, "entries": entries,
			"head": map[string]string{"body": head, "signature": encoded(signAs("propusk head v1\n", head))},
		})
		if err != nil {
			t.Skip()
		}
		if set, err := token.OpenKeySet(document, trust(issued)); err == nil {
			if _, err := token.JWKS(set.Keys); err != nil {
				t.Errorf("keys that cannot be used: %v", err)
			}
		}
		if page, err := token.OpenRevocations(document, trust(issued)); err == nil {
			for _, e := range page.Entries {
				if e.Seq <= page.After || e.Seq > page.Through || page.Through > page.Head.Position {
					t.Errorf("an entry outside its page: %+v of %+v", e, page)
				}
			}
		}
	})
}
