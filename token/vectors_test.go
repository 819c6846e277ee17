package token_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vectors is what a verifier in another language is tested with. Times are
// Unix milliseconds, bytes base64url unless said otherwise.
type vectors struct {
	Note       string            `json:"note"`
	SigningKey string            `json:"signingKey"` // public key "sik00000000000000001"
	Valid      []validVector     `json:"valid"`
	Malformed  []malformedVector `json:"malformed"` // their signatures are good
	Hashes     []hashVector      `json:"hashes"`
	Published  publishedVector   `json:"published"`
	Verify     []verifyVector    `json:"verify"`
}

type validVector struct {
	Name       string       `json:"name"`
	Token      string       `json:"token"`
	PayloadHex string       `json:"payloadHex"`
	Claims     claimsVector `json:"claims"`
}

type claimsVector struct {
	ID             string             `json:"id"`
	KeyID          string             `json:"keyId"`
	Installation   string             `json:"installation"`
	IssuedAt       int64              `json:"issuedAt"`
	ExpiresAt      int64              `json:"expiresAt"`
	Position       uint64             `json:"position"`
	SubjectType    string             `json:"subjectType"`
	SubjectID      string             `json:"subjectId"`
	OrganizationID string             `json:"organizationId,omitempty"`
	FolderID       string             `json:"folderId,omitempty"`
	DependsOn      []dependencyVector `json:"dependsOn"`
}

type dependencyVector struct {
	Kind uint8  `json:"kind"`
	ID   string `json:"id"`
}

type malformedVector struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

type hashVector struct {
	Kind uint8  `json:"kind"`
	ID   string `json:"id"`
	Hex  string `json:"hex"`
}

// publishedVector is what a server answers at one moment.
type publishedVector struct {
	Root        string          `json:"root"` // public key
	Now         int64           `json:"now"`
	KeySet      json.RawMessage `json:"keySet"`
	Revocations json.RawMessage `json:"revocations"` // the snapshot
}

// verifyVector is what a verifier says that has read the published documents.
type verifyVector struct {
	Name   string `json:"name"`
	Token  string `json:"token"`
	Now    int64  `json:"now"`
	Answer string `json:"answer"` // "good" or why it is refused
}

func describe(c *token.Claims) claimsVector {
	v := claimsVector{
		c.ID, c.KeyID, c.Installation, c.IssuedAt.UnixMilli(), c.ExpiresAt.UnixMilli(), c.Position,
		c.SubjectType, c.SubjectID, c.OrganizationID, c.FolderID, nil,
	}
	for _, d := range c.DependsOn {
		v.DependsOn = append(v.DependsOn, dependencyVector{uint8(d.Kind), d.ID})
	}
	return v
}

func makeVectors(t *testing.T) *vectors {
	v := &vectors{
		Note:       "Made by TestVectors -update. docs/token.md explains it.",
		SigningKey: encoded(public(seedKey(1))),
		Valid:      validVectors(t),
		Malformed:  malformedVectors(t),
	}
	for _, d := range []token.Dependency{{Kind: token.KindToken, ID: "tok00000000000000001"}, {Kind: token.KindSubject, ID: "tok00000000000000001"}, {Kind: token.KindInstallation, ID: installation}} {
		hash := token.HashID(d.Kind, d.ID)
		v.Hashes = append(v.Hashes, hashVector{uint8(d.Kind), d.ID, hex.EncodeToString(hash[:])})
	}
	revoked := sample()
	revoked.ID = "tok00000000000000002"
	revoked.DependsOn[0].ID = revoked.ID
	f := newFeed(t, func() time.Time { return issued })
	f.live = []token.Revocation{{Kind: token.KindToken, Hash: token.HashID(token.KindToken, revoked.ID), Seq: 4712}}
	f.pub.Keys[0].SignsUntil = issued.Add(time.Hour)
	v.Published = publishedVector{Root: encoded(public(rootKey())), Now: issued.UnixMilli()}
	var err1, err2 error
	v.Published.KeySet, err1 = f.pub.KeySetDocument(f.signer)
	v.Published.Revocations, err2 = f.pub.RevocationSnapshot(f.signer, f.live)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	v.Verify = verifyVectors(t, revoked)
	return v
}

func validVectors(t *testing.T) (list []validVector) {
	add := func(name, s string) {
		c, err := token.ParseUnverified(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, validVector{name, s, hex.EncodeToString(decode(t, s[3:len(s)-87])), describe(c)})
	}
	add("service account", mustSign(t, sample(), seedKey(1)))
	child := sample()
	child.DependsOn = append(child.DependsOn, token.Dependency{Kind: token.KindSigningKey, ID: "sik00000000000000002"})
	add("parent signed by another key", mustSign(t, child, seedKey(1)))
	add("smallest, padded", mustSign(t, smallest(), seedKey(1)))
	add("149 bytes, padding without zeros", seal(short(149)+field(255, "")))
	add("150 bytes, no padding", seal(short(150)))
	add("largest ids", mustSign(t, largest(), seedKey(1)))
	add("later field, ignored", seal(strings.Join(sampleFields(), "")+field(200, "later")))
	return list
}

func malformedVectors(t *testing.T) (list []malformedVector) {
	add := func(name, s string) {
		if _, err := token.ParseUnverified(s); !errors.Is(err, token.ErrMalformed) {
			t.Fatalf("%s: %v", name, err)
		}
		list = append(list, malformedVector{name, s})
	}
	change := func(name string, i int, to string) {
		f := sampleFields()
		f[i] = to
		add(name, seal(strings.Join(f, "")))
	}
	good := mustSign(t, sample(), seedKey(1))
	change("another version", 0, "\x02")
	change("field missing", 6, "")
	change("field twice", 1, field(1, "tok00000000000000001")+field(1, "tok00000000000000001"))
	change("length not minimal", 3, "\x03\x94\x00ins00000000000000001")
	change("number not minimal", 6, field(6, "\xe7\xa4\x00"))
	change("number beyond 64 bits", 6, field(6, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"))
	change("space in an id", 1, field(1, "tok 0000000000000001"))
	change("lives longer than 12 hours", 5, field(5, number(uint64(issued.UnixMilli())+43200001)))
	change("optional field present and empty", 9, field(9, ""))
	change("unknown critical field", 11, field(127, "x"))
	change("itself among the dependencies", 11, field(11, "\x01\x14tok00000000000000001"))
	change("dependencies not ascending", 11, field(11, "\x03\x02bb\x03\x02aa"))
	change("signing key among the dependencies", 11, field(11, "\x09\x14sik00000000000000001"))
	add("trailing byte", seal(strings.Join(sampleFields(), "")+"\x00"))
	add("needless padding", seal(strings.Join(sampleFields(), "")+field(255, "")))
	add("padding too short", seal(short(100)+field(255, strings.Repeat("\x00", 47))+"\x00"))
	add("padding not zero", seal(short(100)+field(255, strings.Repeat("\x00", 47)+"\x01")))
	add("padding missing", seal(short(140)))
	add("base64 padding", good+"==")
	add("line end", good[:100]+"\n"+good[101:])
	add("spare bits", good[:len(good)-1]+"B")
	return list
}

func verifyVectors(t *testing.T, revoked token.Claims) (list []verifyVector) {
	add := func(name, answer string, now time.Time, s string) {
		list = append(list, verifyVector{name, s, now.UnixMilli(), answer})
	}
	change := func(name, answer string, do func(*token.Claims)) {
		c := sample()
		do(&c)
		add(name, answer, issued, mustSign(t, c, seedKey(1)))
	}
	good := mustSign(t, sample(), seedKey(1))
	add("good", "good", issued, good)
	add("good to its last millisecond", "good", issued.Add(12*time.Hour-time.Millisecond), good)
	add("expired", "expired", issued.Add(12*time.Hour), good)
	add("a minute early", "good", issued.Add(-time.Minute), good)
	add("more than a minute early", "not yet valid", issued.Add(-time.Minute-time.Millisecond), good)
	add("revoked", "revoked", issued, mustSign(t, revoked, seedKey(1)))
	revoked.Position = 4712
	add("issued knowing the revocation", "good", issued, mustSign(t, revoked, seedKey(1)))
	add("signed by another key", "signature", issued, mustSign(t, sample(), seedKey(2)))
	change("unknown key", "unknown key", func(c *token.Claims) { c.KeyID = "another" })
	change("after the key's window", "unknown key", func(c *token.Claims) { c.IssuedAt = issued.Add(time.Hour + time.Millisecond) })
	change("at the end of the key's window", "not yet valid", func(c *token.Claims) { c.IssuedAt = issued.Add(time.Hour) })
	change("another installation", "another installation", func(c *token.Claims) { c.Installation = "another" })
	return list
}

func TestVectors(t *testing.T) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(makeVectors(t)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "vectors.json")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s is not what this version makes; if the format was meant to change, run with -update", path)
	}
}

// TestVectorsVerify reads the file as a verifier in another language would.
func TestVectorsVerify(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(v.Published.Now)
	tr := token.Trust{Root: decode(t, v.Published.Root), Now: now}
	set, err := token.OpenKeySet(v.Published.KeySet, tr)
	if err != nil {
		t.Fatal(err)
	}
	page, err := token.OpenRevocations(v.Published.Revocations, tr)
	if err != nil {
		t.Fatal(err)
	}
	at := &clock{}
	verifier := localVerifier(t, token.Config{Now: at.Now})
	if err := verifier.Load(token.Snapshot{Installation: set.Head.Installation, Keys: set.Keys, Revocations: page.Entries, Position: page.Through}); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]error{
		"good": nil, "expired": token.ErrExpired, "not yet valid": token.ErrNotYetValid, "revoked": token.ErrRevoked,
		"signature": token.ErrSignature, "unknown key": token.ErrUnknownKey, "another installation": token.ErrInstallation,
	}
	for _, vector := range v.Verify {
		at.set(time.UnixMilli(vector.Now))
		want, known := reasons[vector.Answer]
		if _, err := verifier.Verify(vector.Token); !known || !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %s", vector.Name, err, vector.Answer)
		}
	}
}
