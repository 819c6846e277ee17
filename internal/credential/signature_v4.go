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
	atDate                string // the date in at's text
	date, region, service string // of the scope
}

// parseStringToSign accepts exactly what a signer of version 4 makes.
func parseStringToSign(text string) (s stringToSign, ok bool) {
	algorithm, rest, _ := strings.Cut(text, "\n")
	at, rest, _ := strings.Cut(rest, "\n")
	scope, digest, found := strings.Cut(rest, "\n")
	if !found || algorithm != v4Algorithm || !isHex(digest, 2*sha256.Size) {
		return s, false
	}
	if s.at, ok = compactTime(at); !ok {
		return s, false
	}
	s.atDate = at[:len(v4Date)]
	s.date, rest, _ = strings.Cut(scope, "/")
	s.region, rest, _ = strings.Cut(rest, "/")
	s.service, rest, _ = strings.Cut(rest, "/")
	return s, rest == v4Terminator && s.date != "" && s.region != "" && s.service != ""
}

// compactTime reads the one spelling that version 4 signs. The standard library
// alone would let fractions of a second pass, and takes five times as long.
func compactTime(s string) (time.Time, bool) {
	if len(s) != len(v4Time) || s[8] != 'T' || s[15] != 'Z' {
		return time.Time{}, false
	}
	ok := true
	number := func(from, to int) (n int) {
		for _, c := range []byte(s[from:to]) {
			ok = ok && '0' <= c && c <= '9'
			n = 10*n + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(4, 6), number(6, 8)
	hour, minute, second := number(9, 11), number(11, 13), number(13, 15)
	if !ok || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return at, at.Day() == day // time.Date takes the 31st of April for the 1st of May
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
	case text.at.Unix() != s.SignedAt.Unix() || text.atDate != text.date:
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
