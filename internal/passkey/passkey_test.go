package passkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/passkey"
)

const challenge = "a-challenge-of-ours"

func site(t *testing.T) passkey.Site {
	t.Helper()
	s, err := passkey.SiteOf(origin)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wrong(t *testing.T, what string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, want %q", what, err, text)
	}
}

func registered(t *testing.T, d *device) *passkey.Registered {
	t.Helper()
	clientData, attestation := d.create(challenge)
	r, err := site(t).Register(challenge, clientData, attestation)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryAlgorithm(t *testing.T) {
	for _, algorithm := range passkey.Algorithms {
		d := newDevice(t, algorithm)
		clientData, attestation := d.create(challenge)
		r, err := site(t).Register(challenge, clientData, attestation)
		if err != nil {
			t.Fatalf("%d: %v", algorithm, err)
		}
		if r.Algorithm != algorithm || !bytes.Equal(r.CredentialID, d.id) || r.SignCount != 1 || !r.UserVerified || r.BackedUp {
			t.Errorf("%d: %+v", algorithm, r)
		}
		d.count, d.flags = 7, present|eligible|backedUp
		key := passkey.Key{Algorithm: r.Algorithm, PublicKey: r.PublicKey}
		seen, err := site(t).Verify(challenge, key, d.get(challenge))
		if err != nil {
			t.Fatalf("%d: %v", algorithm, err)
		}
		if diff := cmp.Diff(&passkey.Presence{SignCount: 7, BackedUp: true}, seen); diff != "" {
			t.Errorf("%d: %s", algorithm, diff)
		}
		other := newDevice(t, algorithm)
		_, err = site(t).Verify(challenge, key, other.get(challenge))
		wrong(t, "another's key", err, "the signature is wrong")
		for _, also := range passkey.Algorithms {
			if also != algorithm {
				_, err = site(t).Verify(challenge, passkey.Key{Algorithm: also, PublicKey: r.PublicKey}, d.get(challenge))
				wrong(t, "under another algorithm", err, "the signature is wrong")
			}
		}
	}
}

// What both kinds of answers have in common.
var bent = []struct {
	what string
	bend func(*device)
	text string
}{
	{"another origin", func(d *device) { d.origin = "https://id.example.evil" }, `made on a page of "https://id.example.evil"`},
	{"another port", func(d *device) { d.origin = origin + ":8443" }, "made on a page of"},
	{"without TLS", func(d *device) { d.origin = "http://id.example" }, "made on a page of"},
	{"a page below", func(d *device) { d.origin = "https://a.id.example" }, "made on a page of"},
	{"an opaque origin", func(d *device) { d.origin = "null" }, "made on a page of"},
	{"no origin", func(d *device) { d.data = map[string]any{"origin": nil} }, `no text "origin"`},
	{"another challenge", func(d *device) { d.data = map[string]any{"challenge": "another"} }, "to another challenge"},
	{"no challenge", func(d *device) { d.data = map[string]any{"challenge": ""} }, "to another challenge"},
	{"a challenge that is a number", func(d *device) { d.data = map[string]any{"challenge": 1} }, `no text "challenge"`},
	{"another kind", func(d *device) { d.data = map[string]any{"type": "payment.get"} }, `of the kind "payment.get"`},
	{"a kind in other letters", func(d *device) { d.data = map[string]any{"type": nil, "Type": "webauthn.get"} }, `no text "type"`},
	{"a frame of others", func(d *device) { d.data = map[string]any{"crossOrigin": true} }, "framed"},
	{"a frame that is told otherwise", func(d *device) { d.data = map[string]any{"topOrigin": "https://evil.example"} }, "framed"},
	{"a frame of a strange kind", func(d *device) { d.data = map[string]any{"crossOrigin": "no"} }, "neither true nor false"},
	{"too much client data", func(d *device) { d.data = map[string]any{"more": strings.Repeat("x", 5000)} }, "more than 4096 bytes"},
	{"another site", func(d *device) { d.rpID = "example" }, "of another site"},
	{"nobody there", func(d *device) { d.flags = verified }, "nobody was there"},
	{"a copy of what cannot be copied", func(d *device) { d.flags |= backedUp }, "says that it cannot be"},
	{"bytes left over", func(d *device) { d.behind = []byte{0} }, "left over"},
	{"extensions that are none", func(d *device) { d.flags |= withExtensions }, "extensions cannot be read"},
	{"extensions twice", func(d *device) { d.flags |= withExtensions; d.behind = []byte("\xa2\x61a\x01\x61a\x02") }, "extensions cannot be read"},
	{"extensions and more", func(d *device) { d.flags |= withExtensions; d.behind = []byte("\xa1\x61a\x01\x00") }, "left over"},
	{"extensions without an end", func(d *device) { d.flags |= withExtensions; d.behind = []byte("\xbf\x61a\x01\xff") }, "extensions cannot be read"},
	{"too much", func(d *device) { d.behind = make([]byte, 5000) }, "more than 4096 bytes"},
}

func TestAnswersThatAreRefused(t *testing.T) {
	for _, c := range bent {
		t.Run(c.what, func(t *testing.T) {
			d := newDevice(t, passkey.ES256)
			r := registered(t, d)
			c.bend(d)
			_, err := site(t).Verify(challenge, passkey.Key{Algorithm: r.Algorithm, PublicKey: r.PublicKey}, d.get(challenge)) // and its signature is right
			wrong(t, "an assertion", err, c.text)
			clientData, attestation := d.create(challenge)
			_, err = site(t).Register(challenge, clientData, attestation)
			wrong(t, "a registration", err, c.text)
		})
	}
}

func TestExtensionsAreRead(t *testing.T) {
	d := newDevice(t, passkey.ES256)
	d.flags |= withExtensions
	d.behind = []byte("\xa1\x61a\x01")
	r := registered(t, d)
	if _, err := site(t).Verify(challenge, passkey.Key{Algorithm: r.Algorithm, PublicKey: r.PublicKey}, d.get(challenge)); err != nil {
		t.Error(err)
	}
}

func TestAssertionsThatAreRefused(t *testing.T) {
	d := newDevice(t, passkey.ES256)
	r := registered(t, d)
	key := passkey.Key{Algorithm: r.Algorithm, PublicKey: r.PublicKey}
	for what, c := range map[string]struct {
		bend func(*passkey.Assertion)
		text string
	}{
		"a registration's client data": {func(a *passkey.Assertion) { a.ClientData = d.clientData("webauthn.create", challenge) }, "of the kind"},
		"client data twice":            {func(a *passkey.Assertion) { a.ClientData = append(a.ClientData, a.ClientData...) }, "no JSON object"},
		"a list":                       {func(a *passkey.Assertion) { a.ClientData = []byte("[]") }, "no JSON object"},
		"nothing":                      {func(a *passkey.Assertion) { a.ClientData = nil }, "no JSON object"},
		"cut short":                    {func(a *passkey.Assertion) { a.ClientData = a.ClientData[:len(a.ClientData)-1] }, "no JSON object"},
		"a member twice": {func(a *passkey.Assertion) {
			a.ClientData = append(a.ClientData[:len(a.ClientData)-1], `,"type":"webauthn.get"}`...)
		}, `"type" twice`},
		"other client data":   {func(a *passkey.Assertion) { a.ClientData = append(a.ClientData, ' ') }, "signature is wrong"},
		"short data":          {func(a *passkey.Assertion) { a.AuthenticatorData = a.AuthenticatorData[:36] }, "cut short"},
		"another count":       {func(a *passkey.Assertion) { a.AuthenticatorData[36]++ }, "signature is wrong"},
		"a flag more":         {func(a *passkey.Assertion) { a.AuthenticatorData[32] |= eligible }, "signature is wrong"},
		"a key of its own":    {func(a *passkey.Assertion) { a.AuthenticatorData[32] |= withKey }, "cut short"},
		"no signature":        {func(a *passkey.Assertion) { a.Signature = nil }, "signature is wrong"},
		"half a signature":    {func(a *passkey.Assertion) { a.Signature = a.Signature[:8] }, "signature is wrong"},
		"a long signature":    {func(a *passkey.Assertion) { a.Signature = make([]byte, 2000) }, "more than 1024 bytes"},
		"a signature of zero": {func(a *passkey.Assertion) { a.Signature = []byte{0x30, 6, 2, 1, 0, 2, 1, 0} }, "signature is wrong"},
	} {
		a := d.get(challenge)
		c.bend(&a)
		_, err := site(t).Verify(challenge, key, a)
		wrong(t, what, err, c.text)
	}
	if _, err := site(t).Verify("", key, d.get("")); err == nil {
		t.Error("no challenge is one")
	}
	_, err := site(t).Verify(challenge, passkey.Key{Algorithm: passkey.ES256, PublicKey: []byte("x")}, d.get(challenge))
	wrong(t, "a kept key that is broken", err, "cannot be read")
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	d := newDevice(t, passkey.ES256)
	good, k := d.clientData("webauthn.create", challenge), d.cose()
	with := func(label int, value any) []byte {
		again := map[int]any{}
		for l, v := range k {
			again[l] = v
		}
		again[label] = value
		return d.encode(again)
	}
	key := d.encode(k)
	data := func(credential []byte) []byte {
		return d.attestation(d.authenticatorData(present|withKey, credential))
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x, err := p384.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	whole := data(d.credential(key))
	long := *d
	long.id = make([]byte, 1024)
	none := *d
	none.id = nil
	for what, c := range map[string]struct {
		attestation []byte
		text        string
	}{
		"nothing":              {nil, "cannot be read"},
		"bytes behind":         {append(bytes.Clone(whole), 0), "cannot be read"},
		"cut short":            {whole[:len(whole)-1], "cannot be read"},
		"a list":               {d.encode([]int{1}), "cannot be read"},
		"too large":            {append(bytes.Clone(whole), make([]byte, 40000)...), "more than 32768 bytes"},
		"no format":            {d.encode(map[string]any{"attStmt": map[string]any{}, "authData": d.authenticatorData(present|withKey, d.credential(key))}), "no format"},
		"no statement":         {d.encode(map[string]any{"fmt": "none", "authData": d.authenticatorData(present|withKey, d.credential(key))}), "no statement"},
		"no data":              {d.encode(map[string]any{"fmt": "none", "attStmt": map[string]any{}}), "cut short"},
		"a member twice":       {append([]byte("\xa4\x63fmt\x64none"), whole[1:]...), "cannot be read"},
		"a tag":                {append([]byte{0xc1}, whole...), "cannot be read"},
		"no key":               {d.attestation(d.authenticatorData(present, nil)), "has no key"},
		"half a credential":    {data(make([]byte, 10)), "cut short"},
		"a long id":            {data(long.credential(key)), "too long"},
		"no id":                {data(none.credential(key)), "empty"},
		"no public key":        {data(d.credential(nil)), "cannot be read"},
		"a key that is a text": {data(d.credential(d.encode("key"))), "cannot be read"},
		"a label twice":        {data(d.credential(append([]byte{key[0] + 1, 1, 2}, key[1:]...))), "cannot be read"},
		"another algorithm":    {data(d.credential(with(3, -35))), "kinds that are taken"},
		"SHA-1":                {data(d.credential(with(3, -65535))), "kinds that are taken"},
		"another kind":         {data(d.credential(with(1, 3))), "kinds that are taken"},
		"another curve":        {data(d.credential(with(-1, 2))), "kinds that are taken"},
		"a curve by its name":  {data(d.credential(with(-1, "P-256"))), "kinds that are taken"},
		"a long coordinate":    {data(d.credential(with(-2, x[1:49]))), "kinds that are taken"},
		"no point":             {data(d.credential(with(-2, make([]byte, 32)))), "no point"},
	} {
		_, err := site(t).Register(challenge, good, c.attestation)
		wrong(t, what, err, c.text)
	}
	_, err = site(t).Register(challenge, d.clientData("webauthn.get", challenge), whole)
	wrong(t, "a sign-in's client data", err, "of the kind")
}

func TestWeakRSA(t *testing.T) {
	d := newDevice(t, passkey.RS256)
	good := d.clientData("webauthn.create", challenge)
	n := d.signer.Public().(*rsa.PublicKey).N
	for what, c := range map[string]struct{ n, e []byte }{
		"small":            {n.Bytes()[128:], []byte{1, 0, 1}},
		"large":            {append(bytes.Repeat([]byte{0xff}, 512), 1), []byte{1, 0, 1}},
		"even":             {append(n.Bytes()[:255:255], 0), []byte{1, 0, 1}},
		"exponent 1":       {n.Bytes(), []byte{1}},
		"exponent even":    {n.Bytes(), []byte{4}},
		"exponent of 8":    {n.Bytes(), bytes.Repeat([]byte{1}, 8)},
		"exponent missing": {n.Bytes(), nil},
	} {
		key := d.encode(map[int]any{1: 3, 3: passkey.RS256, -1: c.n, -2: c.e})
		_, err := site(t).Register(challenge, good, d.attestation(d.authenticatorData(present|withKey, d.credential(key))))
		if err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// The statement of a maker is carried along and means nothing.
func TestAttestationIsNotTrusted(t *testing.T) {
	d := newDevice(t, passkey.ES256)
	d.format, d.statement = "packed", map[string]any{"alg": -7, "sig": []byte("of nobody"), "x5c": [][]byte{[]byte("no certificate")}}
	registered(t, d)
}

func TestSites(t *testing.T) {
	for text, want := range map[string]passkey.Site{
		"https://id.example":        {ID: "id.example", Origins: []string{"https://id.example"}},
		"https://ID.example:443/":   {ID: "id.example", Origins: []string{"https://id.example"}},
		"https://id.example:8443/x": {ID: "id.example", Origins: []string{"https://id.example:8443"}},
		"http://localhost:8080":     {ID: "localhost", Origins: []string{"http://localhost:8080"}},
		"http://a.localhost":        {ID: "a.localhost", Origins: []string{"http://a.localhost"}},
	} {
		s, err := passkey.SiteOf(text)
		if diff := cmp.Diff(want, s); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
	for _, bad := range []string{"", "id.example", "http://id.example", "https://192.0.2.1", "https://[2001:db8::1]:8443", "http://127.0.0.1:8080", "ftp://localhost", "https://a:b@id.example", "https://", "https://id.example.", "https://пропуск.example", "https://127.1", "https://0x7f.1", "https://id..example"} {
		if s, err := passkey.SiteOf(bad); err == nil {
			t.Errorf("%q is %v", bad, s)
		}
	}
	if _, err := passkey.SiteOf("https://a.example", "https://b.example"); err == nil {
		t.Error("two sites are one")
	}
	if _, err := passkey.SiteOf(); err == nil {
		t.Error("nowhere is a site")
	}
}

func TestChallenges(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	c := passkey.Challenges{Key: []byte("0123456789abcdef"), Now: clock}
	text := c.New("sign in")
	if text == c.New("sign in") {
		t.Error("two challenges are one")
	}
	end, err := c.Check(text, "sign in")
	if err != nil || !end.Equal(now.Add(passkey.ChallengeLife)) {
		t.Errorf("%s %v", end, err)
	}
	refused := func(what, text, use string, c passkey.Challenges) {
		t.Helper()
		if _, err := c.Check(text, use); err == nil || errors.Is(err, passkey.ErrLate) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("another use", text, "sign", c)
	refused("another key", text, "sign in", passkey.Challenges{Key: []byte("another"), Now: clock})
	refused("longer", text+"A", "sign in", c)
	refused("shorter", text[:len(text)-1], "sign in", c)
	refused("nothing", "", "sign in", c)
	later := "B" + text[1:] // a time in the far future
	refused("another time", later, "sign in", c)
	now = now.Add(passkey.ChallengeLife)
	if _, err := c.Check(text, "sign in"); !errors.Is(err, passkey.ErrLate) {
		t.Errorf("late: %v", err)
	}
	if passkey.Lookup(text) == passkey.Lookup(later) || len(passkey.Lookup(text)) != 64 {
		t.Error("look-ups")
	}
}

func FuzzRegister(f *testing.F) {
	t := &testing.T{}
	for _, algorithm := range []int64{passkey.ES256, passkey.EdDSA} {
		d := newDevice(t, algorithm)
		d.id = []byte("seed")
		c, a := d.create(challenge)
		f.Add(c, a)
	}
	s, err := passkey.SiteOf(origin)
	if err != nil {
		f.Fatal(err)
	}
	d := newDevice(t, passkey.ES256)
	f.Fuzz(func(t *testing.T, clientData, attestation []byte) {
		if r, err := s.Register(challenge, clientData, attestation); err == nil && (len(r.CredentialID) == 0 || len(r.PublicKey) == 0) {
			t.Errorf("%+v", r)
		}
		_, _ = s.Register(challenge, d.clientData("webauthn.create", challenge), attestation)
	})
}

func FuzzVerify(f *testing.F) {
	d := newDevice(&testing.T{}, passkey.ES256)
	s, err := passkey.SiteOf(origin)
	if err != nil {
		f.Fatal(err)
	}
	clientData, attestation := d.create(challenge)
	r, err := s.Register(challenge, clientData, attestation)
	if err != nil {
		f.Fatal(err)
	}
	a := d.get(challenge)
	f.Add(a.ClientData, a.AuthenticatorData, a.Signature)
	f.Add([]byte(`{"type":"webauthn.get"}`), a.AuthenticatorData, []byte{})
	f.Fuzz(func(t *testing.T, clientData, data, signature []byte) {
		_, err := s.Verify(challenge, passkey.Key{Algorithm: r.Algorithm, PublicKey: r.PublicKey},
			passkey.Assertion{ClientData: clientData, AuthenticatorData: data, Signature: signature})
		same := bytes.Equal(clientData, a.ClientData) && bytes.Equal(data, a.AuthenticatorData)
		if err == nil && !same {
			t.Errorf("%q, %q are taken", clientData, data)
		}
		_, _ = passkey.ChallengeIn(clientData)
	})
}

func FuzzChallenge(f *testing.F) {
	c := passkey.Challenges{Key: []byte("0123456789abcdef"), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	f.Add(c.New("x"))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := c.Check(text, "x"); err != nil {
			return
		}
		if _, err := c.Check(text, "y"); err == nil || len(text) != len(c.New("x")) {
			t.Errorf("%q is taken", text)
		}
	})
}
