package iam

import "time"

// AccessKey is a static access key: an id and a secret with which a service
// account signs requests as clients of AWS do. The secret is kept sealed and
// stands nowhere beside this.
type AccessKey struct {
	ID               string // names the key to this API
	ServiceAccountID string
	KeyID            string // names the key in signed requests
	Description      string
	Lookup           string // the first half of the secret's SHA-256 in hexadecimal: unique; "" while nobody has looked
	CreatedAt        time.Time
	LastUsedAt       time.Time // zero: never
}
