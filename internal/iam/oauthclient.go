package iam

import "time"

// OAuthClient is a program that signs people in by OAuth 2.0. Its id is the
// client_id of the protocol. Lists keep the order they were given in.
type OAuthClient struct {
	ID                     string
	FolderID               string
	Name                   string // unique within the folder
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	Scopes                 []string
	AuthenticationMethods  []string
	ProfileID              string // never changes
	PKCERequired           bool
	CreatedAt              time.Time
}

// OAuthClientSecret is a secret by which an OAuth client proves itself. Only its
// SHA-256 is kept; it is found by the first half of that, in hexadecimal.
type OAuthClientSecret struct {
	ID            string
	OAuthClientID string
	Description   string
	MaskedSecret  string // how lists show it
	Lookup        string // unique
	Hash          []byte
	CreatedAt     time.Time
	LastUsedAt    time.Time // zero: never
}
