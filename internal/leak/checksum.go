package leak

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math/bits"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// base64url reads unpadded base64url; the spare bits of the last character may
// be anything, as other people's encoders leave them. Callers have checked the
// alphabet: the decoder would skip line ends.
var base64url = base64.RawURLEncoding

// accessSecretSum is the checksum of a static key's secret: 30 bytes, of which
// the last four are the big-endian CRC-32C of the others [API fact: checksums].
func accessSecretSum(text []byte) bool {
	var raw [accessSecretLength * 6 / 8]byte
	n, err := base64url.Decode(raw[:], text)
	if err != nil || n != len(raw) {
		return false
	}
	// By hand, because crc32.Checksum puts what it is given on the heap, and this
	// is asked for every "YC".
	sum := ^uint32(0)
	for _, c := range raw[:26] {
		sum = castagnoli[byte(sum)^c] ^ sum>>8
	}
	return binary.BigEndian.Uint32(raw[26:]) == ^sum
}

// oauthTokenSum is the checksum of an OAuth token: what follows its three
// characters of prefix ends with the big-endian CRC-32 (IEEE) of what stands
// before [API fact: checksums].
func oauthTokenSum(text []byte) bool {
	var raw [oauthTokenMost*6/8 + 1]byte
	n, err := base64url.Decode(raw[:], text[3:])
	return err == nil && n > 4 && binary.BigEndian.Uint32(raw[n-4:]) == crc32.ChecksumIEEE(raw[:n-4])
}

// captchaKeySum: the last eight characters are the CRC-32 (IEEE), in hex, of
// those before [API fact: checksums].
func captchaKeySum(text []byte) bool {
	return hexIs(text[len(text)-8:], crc32.ChecksumIEEE(text[:len(text)-8]))
}

// clientSecretSum: the last eight characters are MurmurHash3 (x86, 32 bits,
// seed 0), big-endian in hex, of those before [API fact: checksums].
func clientSecretSum(text []byte) bool {
	return hexIs(text[len(text)-8:], murmur3(text[:len(text)-8]))
}

// ClientSecretSum is what a maker of OAuth client secrets puts behind the first 71
// characters, "yccs__", 64 hex digits and "_": the checksum in eight hex digits.
func ClientSecretSum(text string) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, murmur3([]byte(text))))
}

func hexIs(text []byte, sum uint32) bool {
	var raw [4]byte
	n, err := hex.Decode(raw[:], text)
	return err == nil && n == 4 && binary.BigEndian.Uint32(raw[:]) == sum
}

// murmur3 is MurmurHash3_x86_32 with seed 0, by its author's description.
func murmur3(b []byte) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	length := uint32(len(b))
	var h uint32
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b)
		h ^= bits.RotateLeft32(k*c1, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	if len(b) > 0 {
		var last [4]byte
		copy(last[:], b)
		h ^= bits.RotateLeft32(binary.LittleEndian.Uint32(last[:])*c1, 15) * c2
	}
	h ^= length
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}
