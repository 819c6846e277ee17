package server

import "github.com/propusk/propusk/internal/gate"

// resourceArea is the resources of other services, and why access is as it is.
var resourceArea = area{
	register: func(*Server, kit, *gate.Registrar) {},
}
