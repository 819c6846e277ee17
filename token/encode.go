package token

import (
	"encoding/base64"
	"encoding/binary"
	"time"
)

const (
	prefix        = "t1."
	version       = 1   // first byte of the payload
	minPayload    = 150 // bytes; 200 characters, which secret scanners ask for
	signatureSize = 64
	signatureText = 86 // characters of base64url
	minText       = len(prefix) + minPayload/3*4 + 1 + signatureText
	maxPayload    = (MaxLength - len(prefix) - 1 - signatureText) * 3 / 4
)

// Numbers of the payload's fields. A reader refuses what it does not know
// below firstIgnorable and skips what it does not know from there on.
const (
	fieldID           = 1
	fieldKeyID        = 2
	fieldInstallation = 3
	fieldIssuedAt     = 4
	fieldExpiresAt    = 5
	fieldPosition     = 6
	fieldSubjectType  = 7
	fieldSubjectID    = 8
	fieldOrganization = 9
	fieldFolder       = 10
	fieldDependsOn    = 11

	firstIgnorable = 128
	fieldPadding   = 255
)

// encoding refuses spare bits; the alphabet is checked before it is used,
// because the decoder skips line ends even when strict.
var encoding = base64.RawURLEncoding.Strict()

// appendPayload writes the one spelling of the claims. others are the
// dependencies without the token itself, ascending and distinct; ignorable is
// fields this version does not know, as they were read. The claims are valid.
func appendPayload(b []byte, c *Claims, others []Dependency, ignorable string) []byte {
	start := len(b)
	b = append(b, version)
	b = appendText(b, fieldID, c.ID)
	b = appendText(b, fieldKeyID, c.KeyID)
	b = appendText(b, fieldInstallation, c.Installation)
	b = appendNumber(b, fieldIssuedAt, uint64(c.IssuedAt.UnixMilli()))
	b = appendNumber(b, fieldExpiresAt, uint64(c.ExpiresAt.UnixMilli()))
	b = appendNumber(b, fieldPosition, c.Position)
	b = appendText(b, fieldSubjectType, c.SubjectType)
	b = appendText(b, fieldSubjectID, c.SubjectID)
	if c.OrganizationID != "" {
		b = appendText(b, fieldOrganization, c.OrganizationID)
	}
	if c.FolderID != "" {
		b = appendText(b, fieldFolder, c.FolderID)
	}
	b = appendDependencies(b, others)
	b = append(b, ignorable...)
	if n := len(b) - start; n < minPayload {
		zeros := paddingAfter(n)
		b = append(b, fieldPadding, byte(zeros))
		b = append(b, make([]byte, zeros)...)
	}
	return b
}

// paddingAfter is how many zeros the padding field holds when n bytes, fewer
// than minPayload, stand before it. Its own two bytes count.
func paddingAfter(n int) int { return max(0, minPayload-n-2) }

func appendText(b []byte, field byte, s string) []byte {
	b = append(b, field)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendNumber(b []byte, field byte, n uint64) []byte {
	b = append(b, field, 0)
	at := len(b)
	b = binary.AppendUvarint(b, n)
	b[at-1] = byte(len(b) - at)
	return b
}

func appendDependencies(b []byte, others []Dependency) []byte {
	if len(others) == 0 {
		return b
	}
	size := 0
	for _, d := range others {
		size += 2 + len(d.ID) // an id is shorter than 128 bytes, so its length is one byte
	}
	b = append(b, fieldDependsOn)
	b = binary.AppendUvarint(b, uint64(size))
	for _, d := range others {
		b = append(b, byte(d.Kind), byte(len(d.ID)))
		b = append(b, d.ID...)
	}
	return b
}

// maxMilli is the last millisecond of the year 9999, the end of RFC 3339.
const maxMilli = 253402300799999

func fromMilli(n uint64) time.Time { return time.UnixMilli(int64(n)).UTC() }
