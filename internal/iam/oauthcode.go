package iam

import "time"

// OAuthCode is what a program gets a grant's first tokens for, once. The text
// itself is never kept.
type OAuthCode struct {
	Lookup      string // SHA-256 of the code, in hexadecimal
	GrantID     string
	RedirectURI string // that the code was sent to
	Challenge   string // of PKCE (RFC 7636), S256; "" when the program gave none
	ExpiresAt   time.Time
	UsedAt      time.Time // zero: not yet
}
