package oauthapi

import "github.com/propusk/propusk/internal/gate"

var exchangeRules = []gate.Rule{
	{Method: "ExchangeToken", Missing: true},
}

// Exchanges exchanges tokens.
type Exchanges struct{}
