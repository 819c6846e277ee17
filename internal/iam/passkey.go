package iam

import "time"

// Passkey is the public half of a key that a person's device or browser keeps
// (WebAuthn). It opens nothing by itself and is not sealed.
type Passkey struct {
	ID           string
	UserID       string
	CredentialID []byte // as the authenticator calls it; no two people have the same
	Name         string // that the person gave it
	Algorithm    int64  // COSE: -7, -8 or -257
	PublicKey    []byte // PKIX, DER
	SignCount    int64  // that was seen last; an authenticator without a counter says 0
	Transports   []string
	BackedUp     bool // it may leave its device, as those do that a password manager keeps
	CreatedAt    time.Time
	LastUsedAt   time.Time
}

// ChallengePurpose says what a browser was sent away for.
type ChallengePurpose string

// Challenge is what a browser was sent away with to come back once, or a note
// that it has come back.
type Challenge struct {
	Lookup    string // SHA-256 of the text, in hexadecimal
	Purpose   ChallengePurpose
	UserID    string // "": nobody is known yet
	Data      string // of whoever has made it
	ExpiresAt time.Time
}

// ChallengePasskey is of those that a passkey has answered: none is answered twice.
const ChallengePasskey ChallengePurpose = "passkey"
