package server

import "github.com/propusk/propusk/internal/gate"

// accessArea is what other services ask.
var accessArea = area{
	register: func(*Server, kit, *gate.Registrar) {},
}
