package passkey

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

const (
	maxAuthenticator = 4096  // bytes of authenticator data
	maxAttestation   = 32768 // certificates of makers may stand in it
	maxCredentialID  = 1023  // section 4: credential id

	flagPresent    = 1 << 0
	flagVerified   = 1 << 2
	flagEligible   = 1 << 3 // for being backed up
	flagBackedUp   = 1 << 4
	flagKey        = 1 << 6
	flagExtensions = 1 << 7
)

// authenticator is authenticator data (section 6.1).
type authenticator struct {
	Presence
	credentialID []byte // nil without a key
	key          []byte // COSE
}

// strict reads CBOR that has one reading: no member twice, no lengths left open,
// no tags; and few members, little depth.
var strict = sync.OnceValue(func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		UTF8: cbor.UTF8RejectInvalid, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		MaxNestedLevels: 6, MaxArrayElements: 16, MaxMapPairs: 16,
	}.DecMode()
	if err != nil {
		panic("passkey: " + err.Error()) // the options are written here
	}
	return m
})

// readAttestation takes the authenticator data out of an attestation object
// (section 6.5.4). Its statement is not looked at, whatever its format: nothing is
// believed on the word of an authenticator's maker.
func readAttestation(b []byte) ([]byte, error) {
	if err := bounded("the attestation object", b, maxAttestation); err != nil {
		return nil, err
	}
	var object struct {
		Format    string          `cbor:"fmt"`
		Statement cbor.RawMessage `cbor:"attStmt"`
		Data      []byte          `cbor:"authData"`
	}
	if err := strict().Unmarshal(b, &object); err != nil { // which takes no bytes left over
		return nil, errors.New("the attestation object cannot be read")
	}
	if object.Format == "" || len(object.Statement) == 0 {
		return nil, errors.New("the attestation object has no format or no statement")
	}
	return object.Data, nil
}

func (s Site) readAuthenticator(b []byte) (*authenticator, error) {
	if err := bounded("authenticator data", b, maxAuthenticator); err != nil {
		return nil, err
	}
	if len(b) < 37 {
		return nil, errors.New("authenticator data is cut short")
	}
	hash := s.hash()
	if subtle.ConstantTimeCompare(b[:32], hash[:]) != 1 {
		return nil, errors.New("the passkey is of another site")
	}
	flags := b[32]
	if flags&flagPresent == 0 {
		return nil, errAbsent
	}
	if flags&flagBackedUp != 0 && flags&flagEligible == 0 {
		return nil, errors.New("the passkey is backed up and says that it cannot be")
	}
	a := &authenticator{Presence: Presence{SignCount: binary.BigEndian.Uint32(b[33:37]),
		UserVerified: flags&flagVerified != 0, BackedUp: flags&flagEligible != 0}}
	rest := b[37:]
	var err error
	if flags&flagKey != 0 {
		if rest, err = a.readCredential(rest); err != nil {
			return nil, err
		}
	}
	if flags&flagExtensions != 0 {
		var extensions map[string]cbor.RawMessage
		if rest, err = strict().UnmarshalFirst(rest, &extensions); err != nil {
			return nil, errors.New("extensions cannot be read")
		}
	}
	if len(rest) != 0 {
		return nil, errors.New("authenticator data has bytes left over")
	}
	return a, nil
}

// readCredential takes attested credential data (section 6.5.2): 16 bytes for the
// model, the length of the id, the id, and the key.
func (a *authenticator) readCredential(b []byte) (rest []byte, err error) {
	if len(b) < 18 {
		return nil, errors.New("the credential is cut short")
	}
	n := int(binary.BigEndian.Uint16(b[16:18]))
	b = b[18:]
	if n == 0 || n > maxCredentialID || n > len(b) {
		return nil, errors.New("the credential id is cut short, empty or too long")
	}
	a.credentialID, b = bytes.Clone(b[:n]), b[n:]
	var key cbor.RawMessage
	if rest, err = strict().UnmarshalFirst(b, &key); err != nil {
		return nil, errors.New("the public key cannot be read")
	}
	a.key = bytes.Clone(key)
	return rest, nil
}
