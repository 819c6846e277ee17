package server

import (
	"context"
	"slices"

	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"

	quotaapi "github.com/propusk/propusk/internal/cloudapi/quota"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/store"
)

// quotaArea is quotas and requests for more.
var quotaArea = area{
	rules: slices.Concat(quotaapi.LimitRules, quotaapi.RequestRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		quotapb.RegisterQuotaLimitServiceServer(r, &quotaapi.LimitService{DB: s.db, Pages: k.pages})
		quotapb.RegisterQuotaRequestServiceServer(r, &quotaapi.RequestService{DB: s.db, Changes: k.changes, Pages: k.pages})
	},
}

// resourceOfQuotaRequest is the cloud or organization that a request is about.
func (s *Server) resourceOfQuotaRequest(ctx context.Context, id string) (string, error) {
	var q *store.QuotaRequest
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		q, err = store.GetQuotaRequest(tx, id)
		return err
	})
	if err != nil {
		return "", err
	}
	return q.Resource.ID, nil
}
