package oauthapi

import "github.com/propusk/propusk/internal/gate"

var refreshRules = []gate.Rule{
	{Method: "Refresh", Missing: true},
}

// Refreshes redeems refresh tokens.
type Refreshes struct{}
