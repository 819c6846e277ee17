package iam

import "time"

// InvitationOrigin says who a link to a new account is from.
type InvitationOrigin string

// The origins of invitations.
const (
	InvitedByOperator InvitationOrigin = "operator"
	InvitedBySignUp   InvitationOrigin = "signUp" // the mailbox has asked for it
)

// Invitation is a link by which somebody makes an account of his own, once.
type Invitation struct {
	ID            string
	Lookup        string // SHA-256 of the link's text, in hexadecimal
	Origin        InvitationOrigin
	Email         string   // the account's, vouched for
	Name          string   // proposed; may be empty
	Organizations []string // ids, of which the person becomes a member
	CreatedAt     time.Time
	ExpiresAt     time.Time
}

// OutgoingMail is a message that waits to be sent, or what has to be found out
// before one can be written.
type OutgoingMail struct {
	ID        string
	Sealed    []byte
	CreatedAt time.Time
	NextAt    time.Time // when it is tried next
	Tries     int       // that were begun
	ExpiresAt time.Time // when it is worth nothing any more
}
