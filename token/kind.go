package token

import (
	"crypto/sha256"
	"strconv"
)

// Kind says what sort of thing a token depends on. Numbers are never reused.
type Kind uint8

// The kinds. The installation and the key that signed a token are implied by it
// and never listed; a token may list the key that signed its parent.
const (
	KindToken        Kind = 1
	KindSubject      Kind = 2
	KindCredential   Kind = 3
	KindSession      Kind = 4
	KindFederation   Kind = 5
	KindOrganization Kind = 6
	KindCloud        Kind = 7
	KindFolder       Kind = 8
	KindSigningKey   Kind = 9
	KindInstallation Kind = 10
)

var kindNames = [...]string{
	KindToken: "token", KindSubject: "subject", KindCredential: "credential", KindSession: "session",
	KindFederation: "federation", KindOrganization: "organization", KindCloud: "cloud", KindFolder: "folder",
	KindSigningKey: "signing key", KindInstallation: "installation",
}

// String names the kind for people.
func (k Kind) String() string {
	if k != 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

func (k Kind) known() bool { return k >= KindToken && k <= KindInstallation }

// implies tells whether a token rests on something without saying so.
func (c *Claims) implies(d Dependency) bool {
	return d.Kind == KindInstallation || d.Kind == KindSigningKey && d.ID == c.KeyID
}

// Revocation ends every token that depends on the thing of Kind whose id has
// this Hash, provided the token's Position is below Seq. That of a signing key
// ends all that the key signed: the Position is its own word.
type Revocation struct {
	Kind Kind
	Hash [16]byte // HashID of the kind and the id
	Seq  uint64   // the entry's number in the change feed
}

// hashContext separates these hashes from any other use of SHA-256.
const hashContext = "propusk id v1\x00"

// HashID is how a revocation names a thing without telling its id: the first
// 16 bytes of SHA-256 over a fixed text, the kind as one byte, and the id.
func HashID(kind Kind, id string) [16]byte {
	var space [len(hashContext) + 1 + MaxUserID]byte
	b := append(space[:0], hashContext...)
	b = append(b, byte(kind))
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}
