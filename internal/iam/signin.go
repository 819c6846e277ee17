package iam

import "time"

// Session is a person who has signed in with a browser.
type Session struct {
	ID         string
	UserID     string
	Lookup     string // SHA-256 of the cookie, in hexadecimal
	CreatedAt  time.Time
	LastSeenAt time.Time // to some minutes
	ExpiresAt  time.Time // however busy it is
	// What follows is of the last time that the person proved himself: when it
	// began, or later in the same browser.
	AuthenticatedAt time.Time
	SecondFactor    bool
	Methods         []string // RFC 8176; empty in rows from before it was kept
	Address         string
	UserAgent       string
}

// Password is what is kept of a person's password.
type Password struct {
	UserID    string
	PHC       string // of argon2id
	ChangedAt time.Time
}

// TOTPSecret is an authenticator app of a person (RFC 6238).
type TOTPSecret struct {
	UserID      string
	Sealed      []byte
	CreatedAt   time.Time
	ConfirmedAt time.Time // zero: begun, and no factor yet
	LastStep    int64     // whose code was used last
}

// TicketPurpose is what a ticket is good for.
type TicketPurpose string

// The purposes of tickets.
const (
	TicketSecondFactor  TicketPurpose = "secondFactor"
	TicketPasswordReset TicketPurpose = "passwordReset"
)

// Ticket is what a person was handed to go on with once.
type Ticket struct {
	Lookup    string // SHA-256 of the ticket, in hexadecimal
	Purpose   TicketPurpose
	UserID    string
	Tries     int // that are left
	ExpiresAt time.Time
}
