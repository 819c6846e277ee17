package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// passkeyDevice is an authenticator with a key of P-256, and the browser around it.
type passkeyDevice struct {
	key    *ecdsa.PrivateKey
	id     []byte
	handle []byte
	count  uint32
	flags  byte
	origin string
}

const deviceVerified = 1 | 4 // somebody is there, and it is he

func newPasskeyDevice(t *testing.T) *passkeyDevice {
	t.Helper()
	d := &passkeyDevice{key: must2(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), id: make([]byte, 32), count: 1, flags: deviceVerified, origin: "https://id.example"}
	_, _ = rand.Read(d.id)
	return d
}

func (d *passkeyDevice) clientData(t *testing.T, kind, challenge string) []byte {
	t.Helper()
	return must2(json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.origin, "crossOrigin": false}))(t)
}

func (d *passkeyDevice) data(flags byte) []byte {
	site := sha256.Sum256([]byte("id.example"))
	return binary.BigEndian.AppendUint32(append(site[:], flags), d.count)
}

func (d *passkeyDevice) create(t *testing.T, b *propuskpb.BeginPasskeyResponse) (clientData, attestation []byte) {
	t.Helper()
	d.handle = b.GetUserHandle()
	point := must2(d.key.PublicKey.Bytes())(t)
	key := must2(cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}))(t)
	data := append(d.data(d.flags|64), make([]byte, 16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(d.id))), d.id...)
	attestation = must2(cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": append(data, key...)}))(t)
	return d.clientData(t, "webauthn.create", b.GetChallenge()), attestation
}

func (d *passkeyDevice) get(t *testing.T, challenge string) *propuskpb.PasskeyAssertion {
	t.Helper()
	d.count++
	a := &propuskpb.PasskeyAssertion{CredentialId: d.id, ClientData: d.clientData(t, "webauthn.get", challenge), AuthenticatorData: d.data(d.flags), UserHandle: d.handle}
	client := sha256.Sum256(a.GetClientData())
	hash := sha256.Sum256(append(append([]byte(nil), a.GetAuthenticatorData()...), client[:]...))
	a.Signature = must2(ecdsa.SignASN1(rand.Reader, d.key, hash[:]))(t)
	return a
}
