package server

import (
	"slices"

	"github.com/propusk/propusk/internal/cloudapi/resourceapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/resource"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// resourceArea is the resources of other services, and why access is as it is.
var resourceArea = area{
	rules: slices.Concat(resourceapi.ResourceRules, resourceapi.ExplainRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		propuskpb.RegisterResourceServiceServer(r, &resourceapi.ResourceService{
			Bindings: k.bindings("", resource.PrefixIAM), DB: s.db, Changes: k.changes, Pages: k.pages, Kinds: kinds{s.checker}})
		propuskpb.RegisterExplainServiceServer(r, &resourceapi.ExplainService{
			DB: s.db, Explanation: k.decider.explain, Knows: k.decider.Knows})
	},
}
