// Package cloudapi holds what every service of the public API does alike:
// pages, filters, update masks, and changes that become operations. The
// services themselves are the packages below it, one file each, rules on top.
package cloudapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Pages makes and reads page tokens: opaque, bound to the method, the parent
// and the filter they were made for. A place of at most 59 bytes makes one of at
// most 100 characters, which is all that some lists take [API fact: page_token of
// access-binding lists].
type Pages struct{ Key []byte }

const (
	defaultPage = 100
	largestPage = 1000
	macSize     = 16
)

// List is one request for a page.
type List struct {
	Method string // full name, so that a token of another list is refused
	Parent string
	Filter string
	Size   int64
	Token  string
}

// Open checks a list request and returns the place to go on after ("" at the
// start) and how many rows to show at most.
func (p Pages) Open(l List) (after string, size int, err error) {
	size = int(l.Size)
	if l.Size < 0 || l.Size > largestPage {
		return "", 0, iam.InvalidField("page_size", "the value must be from 0 to %d", largestPage)
	}
	if size == 0 {
		size = defaultPage
	}
	if l.Token == "" {
		return "", size, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(l.Token)
	if err != nil || len(raw) <= macSize || strings.ContainsAny(l.Token, "\r\n") {
		return "", 0, badPageToken()
	}
	place, mac := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !hmac.Equal(mac, p.mac(l, place)) {
		return "", 0, badPageToken()
	}
	return string(place), size, nil
}

// Next makes the token of the page after a place.
func (p Pages) Next(l List, place string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte(place), p.mac(l, []byte(place))...))
}

func (p Pages) mac(l List, place []byte) []byte {
	h := hmac.New(sha256.New, p.Key)
	for _, part := range []string{l.Method, l.Parent, l.Filter} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(place)
	return h.Sum(nil)[:macSize]
}

func badPageToken() error {
	return iam.InvalidField("page_token", "not a token of this list; start again without it")
}

// Cut takes rows of which one more than the page was asked for and returns the
// page and the token of the next one. place is a row's place in the order.
func Cut[T any](p Pages, l List, rows []T, size int, place func(T) string) ([]T, string) {
	if len(rows) <= size {
		return rows, ""
	}
	rows = rows[:size]
	return rows, p.Next(l, place(rows[size-1]))
}

var (
	nameFilter  = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_.]*)\s*(=|!=|\b(?i:NOT\s+IN|IN)\b)\s*(.*?)\s*$`)
	filterValue = regexp.MustCompile(`^"([^"\\]{1,63})"$`)
)

// NameFilter reads the filter that lists take: name="value", with or without
// spaces around the sign. The empty filter gives "".
func NameFilter(filter string) (string, error) {
	if strings.TrimSpace(filter) == "" {
		return "", nil
	}
	m := nameFilter.FindStringSubmatch(filter)
	if m == nil {
		return "", iam.InvalidField("filter", `expected name="<value>"`)
	}
	if m[1] != "name" {
		return "", iam.InvalidField("filter", "only the field name can be filtered by")
	}
	if m[2] != "=" {
		return "", iam.InvalidField("filter", "only the operator = is supported")
	}
	v := filterValue.FindStringSubmatch(m[3])
	if v == nil {
		return "", iam.InvalidField("filter", "the value must be 1 to 63 characters in double quotes, and one condition is allowed")
	}
	return v[1], nil
}
