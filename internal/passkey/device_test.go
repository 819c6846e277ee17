package passkey_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/propusk/propusk/internal/passkey"
)

// device is an authenticator with the browser around it. Its fields are what it
// says, and a test bends them.
type device struct {
	t         *testing.T
	algorithm int64
	signer    crypto.Signer
	id        []byte
	rpID      string
	origin    string
	flags     byte
	count     uint32
	data      map[string]any // members of client data, over what a browser writes
	format    string
	statement any
	behind    []byte // after the authenticator data
}

const (
	present, verified, eligible, backedUp, withKey, withExtensions = 1, 4, 8, 16, 64, 128

	origin = "https://id.example"
)

func newDevice(t *testing.T, algorithm int64) *device {
	t.Helper()
	d := &device{t: t, algorithm: algorithm, id: []byte("credential of " + t.Name()), rpID: "id.example", origin: origin,
		flags: present | verified, count: 1, format: "none", statement: map[string]any{}}
	var err error
	switch algorithm {
	case passkey.ES256:
		d.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case passkey.EdDSA:
		_, d.signer, err = ed25519.GenerateKey(rand.Reader)
	case passkey.RS256:
		d.signer, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *device) cose() map[int]any {
	switch p := d.signer.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			d.t.Fatal(err)
		}
		return map[int]any{1: 2, 3: d.algorithm, -1: 1, -2: point[1:33], -3: point[33:]}
	case ed25519.PublicKey:
		return map[int]any{1: 1, 3: d.algorithm, -1: 6, -2: []byte(p)}
	case *rsa.PublicKey:
		return map[int]any{1: 3, 3: d.algorithm, -1: p.N.Bytes(), -2: big.NewInt(int64(p.E)).Bytes()}
	}
	return nil
}

func (d *device) encode(v any) []byte {
	b, err := cbor.Marshal(v)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d *device) clientData(kind, challenge string) []byte {
	members := map[string]any{"type": kind, "challenge": challenge, "origin": d.origin, "crossOrigin": false}
	for name, value := range d.data {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	b, err := json.Marshal(members)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d *device) authenticatorData(flags byte, credential []byte) []byte {
	hash := sha256.Sum256([]byte(d.rpID))
	b := append(hash[:], flags)
	b = binary.BigEndian.AppendUint32(b, d.count)
	return append(append(b, credential...), d.behind...)
}

func (d *device) credential(key []byte) []byte {
	b := make([]byte, 16) // of no model
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.id)))
	return append(append(b, d.id...), key...)
}

// create answers a challenge with a new passkey.
func (d *device) create(challenge string) (clientData, attestation []byte) {
	return d.clientData("webauthn.create", challenge), d.attestation(d.authenticatorData(d.flags|withKey, d.credential(d.encode(d.cose()))))
}

func (d *device) attestation(data []byte) []byte {
	return d.encode(map[string]any{"fmt": d.format, "attStmt": d.statement, "authData": data})
}

// get answers a challenge by the key.
func (d *device) get(challenge string) passkey.Assertion {
	a := passkey.Assertion{CredentialID: d.id, ClientData: d.clientData("webauthn.get", challenge), AuthenticatorData: d.authenticatorData(d.flags, nil)}
	a.Signature = d.sign(a)
	return a
}

func (d *device) sign(a passkey.Assertion) []byte {
	hash := sha256.Sum256(a.ClientData)
	message := append(append([]byte(nil), a.AuthenticatorData...), hash[:]...)
	digest, how := sha256.Sum256(message), crypto.SHA256
	text := digest[:]
	if d.algorithm == passkey.EdDSA {
		text, how = message, 0
	}
	b, err := d.signer.Sign(rand.Reader, text, how)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}
