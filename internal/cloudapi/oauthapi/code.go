package oauthapi

import "github.com/propusk/propusk/internal/gate"

var codeRules = []gate.Rule{
	{Method: "RedeemCode", Missing: true},
}

// Codes redeems authorization codes.
type Codes struct{}
