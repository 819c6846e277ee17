package oauthapi

import "github.com/propusk/propusk/internal/gate"

// AuthorizationRules are the rows of AuthorizationService.
var AuthorizationRules = gate.Only(pages, gate.Rules("propusk.v1.AuthorizationService",
	gate.Rule{Method: "Check", Missing: true},
	gate.Rule{Method: "Prepare", Missing: true},
	gate.Rule{Method: "Allow", Missing: true},
	gate.Rule{Method: "ListPrograms", Missing: true},
	gate.Rule{Method: "RemoveProgram", Missing: true},
	gate.Rule{Method: "SignOutTarget", Missing: true},
)...)
