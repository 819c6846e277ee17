package oauthapi

import "github.com/propusk/propusk/internal/gate"

var clientRules = []gate.Rule{
	{Method: "ClientCredentials", Missing: true},
}

// ClientGrants gives clients tokens of their own.
type ClientGrants struct{}
