package mint_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

func newRegistryKeys(t *testing.T, db *store.DB, box *seal.Box, now func() time.Time) *mint.RegistryKeys {
	t.Helper()
	k, err := mint.NewRegistryKeys(mint.RegistryKeysConfig{DB: db, Box: box, Now: now, RotateEvery: 30 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type registryParts struct {
	Header struct {
		Algorithm string   `json:"alg"`
		KeyID     string   `json:"kid"`
		Type      string   `json:"typ"`
		Chain     [][]byte `json:"x5c"`
	}
	Claims map[string]any
	signed [sha256.Size]byte
	sig    []byte
}

func registryToken(t *testing.T, k *mint.RegistryKeys, r mint.RegistryRequest) registryParts {
	t.Helper()
	made, err := k.Mint(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var p registryParts
	parts := strings.Split(made.Text.Reveal(), ".")
	for i, into := range []any{&p.Header, &p.Claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			t.Fatal(err)
		}
	}
	p.sig, err = base64.RawURLEncoding.DecodeString(parts[2])
	p.signed = sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// by verifies as a registry does that was given certificates at some time.
func (p registryParts) by(t *testing.T, pinned []byte, now time.Time) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pinned) {
		t.Fatal("no certificates")
	}
	if len(p.Header.Chain) != 1 {
		return errors.New("no chain")
	}
	leaf, err := x509.ParseCertificate(p.Header.Chain[0])
	if err != nil {
		return err
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return err
	}
	return rsa.VerifyPKCS1v15(leaf.PublicKey.(*rsa.PublicKey), crypto.SHA256, p.signed[:], p.sig)
}

func TestRegistryToken(t *testing.T) {
	c := &clock{whole}
	db := newDB(t, c.Now)
	k := newRegistryKeys(t, db, newBox(t), c.Now)
	r := mint.RegistryRequest{Issuer: "https://iam.example.com", Subject: "aje1", Audience: "my-registry",
		Access: []mint.RegistryAccess{{Type: "repository", Name: "crp1/app", Actions: []string{"pull", "push"}}}}
	p := registryToken(t, k, r)
	now := float64(c.Now().Unix())
	want := map[string]any{"iss": r.Issuer, "sub": "aje1", "aud": "my-registry", "iat": now, "nbf": now - 10, "exp": now + 300,
		"jti":    p.Claims["jti"],
		"access": []any{map[string]any{"type": "repository", "name": "crp1/app", "actions": []any{"pull", "push"}}}}
	if diff := cmp.Diff(want, p.Claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if p.Header.Algorithm != "RS256" || p.Header.Type != "JWT" || p.Claims["jti"] == "" {
		t.Errorf("header %+v", p.Header)
	}
	pinned, err := k.Certificates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.by(t, pinned, c.Now()); err != nil {
		t.Error(err)
	}
	block, _ := pem.Decode(pinned)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(p.Header.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || !root.MaxPathLenZero || root.KeyUsage != x509.KeyUsageCertSign {
		t.Errorf("who has a signing key certifies others: leaf %v %v, root %v %v", leaf.IsCA, leaf.KeyUsage, root.MaxPathLenZero, root.KeyUsage)
	}
	for _, at := range []time.Duration{-50 * time.Minute, 50 * time.Minute} { // a registry's clock
		if err := p.by(t, pinned, c.Now().Add(at)); err != nil {
			t.Errorf("%v away: %v", at, err)
		}
	}
	if err := p.by(t, pinned, c.Now().Add(3*time.Hour)); err == nil {
		t.Error("a signing key's certificate does not end")
	}
	r.KeySet = true
	p = registryToken(t, k, r)
	set, err := k.JWKS(t.Context())
	if err != nil || len(p.Header.Chain) != 0 || !strings.Contains(string(set), `"kid":"`+p.Header.KeyID+`"`) {
		t.Errorf("%v: kid %s, set %s", err, p.Header.KeyID, set)
	}
	r.Access = nil
	if got := registryToken(t, k, r).Claims["access"]; !cmp.Equal(got, []any{}) {
		t.Errorf("access of nothing: %v", got)
	}
	r.NotAfter = c.Now().Add(90 * time.Second)
	if got := registryToken(t, k, r).Claims["exp"]; got != now+90 {
		t.Errorf("exp %v, want %v", got, now+90)
	}
	r.NotAfter = c.Now()
	if _, err := k.Mint(t.Context(), r); iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("a caller whose proof has ended: %v", err)
	}
}

// What a registry was given once goes on verifying while keys come and go, on
// every node.
func TestRegistryPinsOnce(t *testing.T) {
	c := &clock{whole}
	db := newDB(t, c.Now)
	box := newBox(t)
	k := newRegistryKeys(t, db, box, c.Now)
	pinned, err := k.Certificates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := mint.RegistryRequest{Issuer: "i", Audience: "a"}
	first := registryToken(t, k, r).Header.KeyID
	old, err := k.JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(31 * 24 * time.Hour)
	if err := k.RotateDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := registryToken(t, k, r); p.Header.KeyID != first {
		t.Error("a new key signs before registries have read it")
	}
	if set, err := k.JWKS(t.Context()); err != nil || len(set) < 3*len(old)/2 {
		t.Errorf("the new key is not published: %s, %v", set, err)
	}
	c.at = c.at.Add(7*24*time.Hour + 12*time.Hour)
	if p := registryToken(t, k, r); p.Header.KeyID != first {
		t.Error("a new key signs before a registry that reads the keys each week, not to the hour, has read it")
	}
	c.at = c.at.Add(12 * time.Hour)
	elsewhere := newRegistryKeys(t, db, box, c.Now)
	for _, node := range []*mint.RegistryKeys{k, elsewhere} {
		p := registryToken(t, node, r)
		if p.Header.KeyID == first {
			t.Error("the old key still signs")
		}
		if err := p.by(t, pinned, c.Now()); err != nil {
			t.Error(err)
		}
		again, err := node.Certificates(t.Context())
		if err != nil || string(again) != string(pinned) {
			t.Errorf("other certificates: %v", err)
		}
	}
	if block, rest := pem.Decode(pinned); block == nil || len(rest) > 0 {
		t.Error("not one certificate")
	}
}

func TestRegistryDistrust(t *testing.T) {
	c := &clock{whole}
	db := newDB(t, c.Now)
	k := newRegistryKeys(t, db, newBox(t), c.Now)
	pinned, err := k.Certificates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := mint.RegistryRequest{Issuer: "i", Audience: "a"}
	leaked := registryToken(t, k, r)
	record := func(*store.Tx) error { return nil }
	if err := k.Distrust(t.Context(), leaked.Header.KeyID, record); err != nil {
		t.Fatal(err)
	}
	p := registryToken(t, k, r)
	if p.Header.KeyID == leaked.Header.KeyID || p.by(t, pinned, c.Now()) != nil {
		t.Error("no successor that registries believe")
	}
	c.at = c.at.Add(2*time.Hour + time.Second)
	if leaked.by(t, pinned, c.Now()) == nil {
		t.Error("the last certificate of a distrusted key is believed for longer than two hours")
	}
	registryToken(t, k, r) // whose certificate is the root's that ends next, and has hours to live
	_, roots, err := k.List(t.Context())
	if err != nil || len(roots) != 1 {
		t.Fatal(roots, err)
	}
	if err := k.Distrust(t.Context(), roots[0].ID, record); err != nil {
		t.Fatal(err)
	}
	p = registryToken(t, k, r)
	if p.by(t, pinned, c.Now()) == nil {
		t.Error("the distrusted root still certifies")
	}
	if pinned, err = k.Certificates(t.Context()); err != nil || p.by(t, pinned, c.Now()) != nil {
		t.Error("the new root does not certify")
	}
	if err := k.Distrust(t.Context(), "ajenothing0000000000", record); iam.KindOf(err) != iam.NotFound {
		t.Error(err)
	}
}

// A clock that was ahead and is set right leaves no certificate behind that
// begins in the future.
func TestRegistryClockSetBack(t *testing.T) {
	c := &clock{whole}
	k := newRegistryKeys(t, newDB(t, c.Now), newBox(t), c.Now)
	pinned, err := k.Certificates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := mint.RegistryRequest{Issuer: "i", Audience: "a"}
	registryToken(t, k, r)
	c.at = c.at.Add(3 * time.Hour)
	registryToken(t, k, r)
	c.at = c.at.Add(-3 * time.Hour)
	if err := registryToken(t, k, r).by(t, pinned, c.Now()); err != nil {
		t.Error(err)
	}
}

// Nodes that need the first keys together make one root and one signing key.
func TestRegistryFirstKeysOfManyNodes(t *testing.T) {
	c := &clock{whole}
	db, box := newDB(t, c.Now), newBox(t)
	var wg sync.WaitGroup
	pinned, kids := make([]string, 4), make([]string, 4)
	for i := range pinned {
		k := newRegistryKeys(t, db, box, c.Now)
		wg.Go(func() {
			made, err := k.Mint(t.Context(), mint.RegistryRequest{Issuer: "i", Audience: "a"})
			if err != nil {
				t.Error(err)
				return
			}
			kids[i] = made.KeyID
			text, err := k.Certificates(t.Context())
			if err != nil {
				t.Error(err)
			}
			pinned[i] = string(text)
		})
	}
	wg.Wait()
	for i := range pinned {
		if pinned[i] != pinned[0] || kids[i] != kids[0] || strings.Count(pinned[i], "BEGIN") != 1 {
			t.Errorf("node %d: key %s, certificates\n%s", i, kids[i], pinned[i])
		}
	}
}
