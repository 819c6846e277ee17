package oauthapi

import "github.com/propusk/propusk/internal/gate"

var tokenRules = []gate.Rule{
	{Method: "Introspect", Missing: true},
	{Method: "Revoke", Missing: true},
}

// TokenStates tells of tokens and ends them.
type TokenStates struct{}
