package iam

// NewPair and Pairs let a test keep every maker of key pairs busy.
var (
	NewPair = newPair
	Pairs   = pairs
)
