package oauthapi

import "github.com/propusk/propusk/internal/gate"

var deviceGrantRules = []gate.Rule{
	{Method: "RedeemDeviceCode", Missing: true},
	{Method: "AuthorizeDevice", Missing: true},
}

// DeviceGrants lets machines without a browser in.
type DeviceGrants struct{}

// DeviceRules are the rows of DeviceService.
var DeviceRules = gate.Only(pages, gate.Rules("propusk.v1.DeviceService",
	gate.Rule{Method: "Find", Missing: true},
	gate.Rule{Method: "Decide", Missing: true},
)...)
