package iam

import "time"

// DeviceCode is a machine without a browser that waits for a person (RFC 8628).
// Neither of its two codes is kept.
type DeviceCode struct {
	Lookup        string // SHA-256 of the device code, in hexadecimal
	UserCode      string // MAC of the code that the person types, in hexadecimal
	ClientID      string
	ClientInfo    string // what the program calls itself, such as "yc/0.141.0"
	Scopes        []string
	KeyThumbprint string        // of the program's key (RFC 7638), when it has shown one
	Address       string        // where the machine is
	Wait          time.Duration // that it leaves between two questions, in whole seconds
	CreatedAt     time.Time
	ExpiresAt     time.Time
	PolledAt      time.Time // when it asked last; zero: never
	DecidedAt     time.Time // zero: nobody has answered
	GrantID       string    // that the answer has made; "": it was no, or there is none
	UserID        string    // who has answered
}
