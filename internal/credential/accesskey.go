package credential

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// A static access key's id is 25 characters of base64url, its secret 40, both
// beginning with "YC". The secret is 30 bytes: 26, of which two spell the
// beginning and half of the second is random, and their big-endian CRC-32C
// [API fact: YC[A-Za-z0-9_-]{38}, the last four bytes CRC-32C (Castagnoli) of
// the first 26]. 196 bits are random.
const (
	accessKeyIDLength      = 25
	accessKeySecretLength  = 40
	accessKeySecretChecked = 26 // bytes before the checksum
)

// The bits that "YC" stands for in base64url.
const (
	ycFirst  = 'Y' - 'A'     // 24, six bits
	ycSecond = 'C' - 'A'     // 2, six bits
	ycByte0  = ycFirst << 2  // and the upper two bits of the second letter, which are 0
	ycByte1  = ycSecond << 4 // its lower four
)

// NewAccessKey is a fresh static access key: the id that signed requests name,
// and the secret that signs them.
func NewAccessKey() (keyID string, secret iam.Secret) {
	var id [18]byte
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails: it ends the program instead
	keyID = ("YC" + keyText.EncodeToString(id[:]))[:accessKeyIDLength]

	var raw [accessKeySecretLength * 6 / 8]byte
	_, _ = rand.Read(raw[1:accessKeySecretChecked])
	raw[0], raw[1] = ycByte0, ycByte1|raw[1]&0x0f
	binary.BigEndian.PutUint32(raw[accessKeySecretChecked:], crc32.Checksum(raw[:accessKeySecretChecked], castagnoli))
	return keyID, iam.NewSecret(keyText.EncodeToString(raw[:]))
}

// AccessKeySecretForm tells whether a text may be the secret of a static access
// key of a Propusk server: the length, the alphabet, the prefix, the checksum.
func AccessKeySecretForm(text string) bool {
	if len(text) != accessKeySecretLength || !strings.HasPrefix(text, "YC") || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return false
	}
	var raw [accessKeySecretLength * 6 / 8]byte
	n, err := keyText.Decode(raw[:], []byte(text))
	return err == nil && n == len(raw) &&
		binary.BigEndian.Uint32(raw[accessKeySecretChecked:]) == crc32.Checksum(raw[:accessKeySecretChecked], castagnoli)
}

// SecretLookup is what a static access key is found by when only its secret is
// known; see iam.AccessKey. It tells nothing of a secret, 196 bits of which are
// random.
func SecretLookup(secret iam.Secret) string {
	hash := sha256.Sum256([]byte(secret.Reveal()))
	return lookupOf(&hash)
}
