// Package passkey owns what browsers and authenticators say of passkeys (Web
// Authentication, level 3): it reads their registrations and assertions and
// believes nothing that they do not show. What it promises: an assertion is
// accepted only when it answers a challenge of ours, of this use, in time; was made
// on a page of this very site; by somebody who was there; and is signed with the
// key that was registered. Bytes from outside are bounded, have one reading, and
// leave nothing over.
//
// It knows no people and keeps no rows. Who made an authenticator it does not ask:
// attestation is neither wanted nor trusted.
package passkey

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
)

// COSE algorithms that are taken (RFC 9053, RFC 8812): what authenticators have.
const (
	ES256 = -7
	EdDSA = -8
	RS256 = -257
)

// Algorithms are those that are taken, the one liked best first.
var Algorithms = []int64{ES256, EdDSA, RS256}

// Registered is a passkey as its registration shows it.
type Registered struct {
	CredentialID []byte
	Algorithm    int64
	PublicKey    []byte // PKIX, DER
	Presence
}

// Presence is what an authenticator says of the moment.
type Presence struct {
	SignCount    uint32 // 0: it counts nothing
	UserVerified bool   // by PIN, finger or face
	BackedUp     bool   // the key may leave the device
}

// Assertion is what a browser brings back from an authenticator, as it is.
type Assertion struct {
	CredentialID      []byte
	ClientData        []byte // JSON
	AuthenticatorData []byte
	Signature         []byte
	UserHandle        []byte // of a passkey that was found without a name
}

// Key is the public half, as Registered has it.
type Key struct {
	Algorithm int64
	PublicKey []byte
}

var errAbsent = errors.New("nobody was there: the flag of presence is not set")

// Register reads a registration (Web Authentication, section 7.1) that answers a
// challenge. The error says what is wrong, in words for the person's browser.
func (s Site) Register(challenge string, clientData, attestation []byte) (*Registered, error) {
	if err := s.readClientData(clientData, typeCreate, challenge); err != nil {
		return nil, err
	}
	data, err := readAttestation(attestation)
	if err != nil {
		return nil, err
	}
	a, err := s.readAuthenticator(data)
	if err != nil {
		return nil, err
	}
	if a.credentialID == nil {
		return nil, errors.New("the registration has no key")
	}
	key, err := readKey(a.key)
	if err != nil {
		return nil, err
	}
	return &Registered{CredentialID: a.credentialID, Algorithm: key.Algorithm, PublicKey: key.PublicKey, Presence: a.Presence}, nil
}

// Verify judges an assertion (section 7.2) that answers a challenge, by the key of
// its credential. That the counter goes on, and whose the credential is, the caller
// looks. The error is for logs: a stranger is told of none of them.
func (s Site) Verify(challenge string, key Key, a Assertion) (*Presence, error) {
	if err := s.readClientData(a.ClientData, typeGet, challenge); err != nil {
		return nil, err
	}
	data, err := s.readAuthenticator(a.AuthenticatorData)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(a.ClientData)
	signed := append(bytes.Clone(a.AuthenticatorData), hash[:]...)
	if err := verifySignature(key, signed, a.Signature); err != nil {
		return nil, err
	}
	return &data.Presence, nil
}

func bounded(what string, b []byte, most int) error {
	if len(b) > most {
		return fmt.Errorf("%s has more than %d bytes", what, most)
	}
	return nil
}
