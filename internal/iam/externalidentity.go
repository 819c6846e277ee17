package iam

import "time"

// ExternalIdentity is an account elsewhere by which a person signs in.
type ExternalIdentity struct {
	Provider   string // its issuer, or what stands for one: a short name may come to mean another provider
	ExternalID string // what the provider calls the account, and never another
	UserID     string
	Email      string // that the provider told last, for the eye alone
	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never since
}

// Purposes of challenges with which browsers are sent to a provider.
const (
	ChallengeUpstream   ChallengePurpose = "upstream"   // to sign in
	ChallengeConnection ChallengePurpose = "connection" // to connect an account there
)
