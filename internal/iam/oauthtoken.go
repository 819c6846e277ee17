package iam

import "time"

// OAuthToken is a long-lived secret of a person that is exchanged for IAM
// tokens. The secret itself is never kept.
type OAuthToken struct {
	ID          string
	UserID      string
	ClientID    string // of the OAuth client that it was made for; "" when an operator made it
	Description string
	Masked      string // the prefix, four stars and the last four characters
	Lookup      string // the first half of Hash in hexadecimal: unique
	Hash        []byte // SHA-256 of the secret
	CreatedAt   time.Time
	ExpiresAt   time.Time // never zero
	LastUsedAt  time.Time // zero: never
}
