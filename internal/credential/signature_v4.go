package credential

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// AWS Signature Version 4, as AWS documents it, from the string to sign on.
const (
	v4Algorithm  = "AWS4-HMAC-SHA256"
	v4Time       = "20060102T150405Z"
	v4Date       = "20060102"
	v4Terminator = "aws4_request"

	// signatureWindow is how far a signature's time may be from ours, both ways
	// [AWS's habit]. What the time of a presigned request allows beyond it is in
	// the part of the request that a string to sign holds only the hash of:
	// ReadRequest knows it, a service that shows a string to sign cannot.
	signatureWindow = 15 * time.Minute
)

// stringToSign is one of version 4, taken apart.
type stringToSign struct {
	at                    time.Time
	date, region, service string
}

// parseStringToSign accepts exactly what a signer of version 4 makes.
func parseStringToSign(text string) (stringToSign, bool) {
	var s stringToSign
	algorithm, rest, _ := strings.Cut(text, "\n")
	at, rest, _ := strings.Cut(rest, "\n")
	scope, digest, found := strings.Cut(rest, "\n")
	if !found || algorithm != v4Algorithm || len(at) != len(v4Time) || !isHex(digest, 2*sha256.Size) {
		return s, false
	}
	var err error
	if s.at, err = time.Parse(v4Time, at); err != nil {
		return s, false
	}
	parts := strings.Split(scope, "/")
	if len(parts) != 4 || parts[3] != v4Terminator || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return s, false
	}
	s.date, s.region, s.service = parts[0], parts[1], parts[2]
	return s, true
}

// isHex tells whether a text is so many lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range n {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// judgeV4 checks that the string to sign says what the service says, and that
// its time is now. What is derived for one day, region and service then signs
// nothing for another.
func (s *Signature) judgeV4(now time.Time) error {
	text, ok := parseStringToSign(s.StringToSign)
	switch {
	case !ok:
		return errStringToSign
	case text.at.Unix() != s.SignedAt.Unix() || text.at.Format(v4Date) != text.date:
		return errSignedAt
	case text.region != s.Region || text.service != s.Service:
		return errSignedScope
	case s.life > 0:
		return withinLife(text.at, s.life, now)
	}
	return withinWindow(text.at, now)
}

func withinWindow(at, now time.Time) error {
	switch age := now.Sub(at); {
	case age > signatureWindow:
		return errSignatureOld
	case age < -signatureWindow:
		return errSignatureNew
	}
	return nil
}

// signingKey derives the key of a day (UTC), a region and a service.
func signingKey(secret iam.Secret, at time.Time, region, service string) []byte {
	key := []byte("AWS4" + secret.Reveal())
	for _, part := range [...]string{at.UTC().Format(v4Date), region, service, v4Terminator} {
		next := mac(sha256.New, key, part)
		clear(key)
		key = next
	}
	return key
}
