package server

import (
	"github.com/propusk/propusk/internal/cloudapi/leakapi"
	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// leakArea is credentials that were found where they do not belong.
var leakArea = area{
	rules: leakapi.Rules,
	register: func(s *Server, k kit, r *gate.Registrar) {
		propuskpb.RegisterLeakServiceServer(r, &leakapi.Service{
			DB: s.db, Changes: k.changes, Accounts: s.replica, Open: s.box.Open, Verify: s.revoked.Verify,
			Session: s.accessKeyProver().LiveSession, Cookie: s.sessionProver().Live, RefreshLookup: refreshLookup, Searchable: s.searchable.Load, Sources: s.cfg.leakSources(), Record: s.journal.Record,
			Report: func(err error) { s.log.Error("found credential", "error", err) }, Now: s.now,
		})
	},
}
