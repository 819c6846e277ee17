// Package operation serves the state of long-running operations.
package operation

import (
	"context"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

const ownOrSeen = "shown to its creator, and to who may list the operations of its resource; others get NOT_FOUND"

// Rules are the rows of OperationService.
var Rules = gate.Rules("yandex.cloud.operation.OperationService",
	gate.Rule{Method: "Get", Why: ownOrSeen},
	gate.Rule{Method: "Cancel", Why: ownOrSeen, Effect: gate.Changes, Event: "operation.CancelOperation"},
)

// Service is yandex.cloud.operation.OperationService.
type Service struct {
	operationpb.UnimplementedOperationServiceServer
	DB *store.DB
	// ListPermission names the right to list the operations of a thing and the
	// resource that the right is asked on; "" when there is no such thing.
	ListPermission func(ctx context.Context, id string) (may iam.Permission, on string)
	// CancelDeletion takes back a planned deletion; false when the operation is none.
	CancelDeletion func(ctx context.Context, op *iam.Operation) (*iam.Operation, bool, error)
}

// Get returns an operation.
func (s *Service) Get(ctx context.Context, r *operationpb.GetOperationRequest) (*operationpb.Operation, error) {
	op, err := s.visible(ctx, r.GetOperationId())
	if err != nil {
		return nil, err
	}
	return cloudapi.OperationProto(op)
}

// Cancel takes back what an operation waits to do: the deletion of a cloud or a
// folder, the one kind that waits here. An operation that is done comes back
// as it is.
func (s *Service) Cancel(ctx context.Context, r *operationpb.CancelOperationRequest) (*operationpb.Operation, error) {
	op, err := s.visible(ctx, r.GetOperationId())
	if err != nil {
		return nil, err
	}
	gate.From(ctx).Note("operation_id", op.ID)
	if op.Done {
		return cloudapi.OperationProto(op)
	}
	cancelled, ok, err := s.CancelDeletion(ctx, op)
	if err != nil {
		return nil, err
	}
	if ok {
		return cloudapi.OperationProto(cancelled)
	}
	return nil, iam.Errorf(iam.FailedPrecondition, "Operation %s cannot be cancelled", op.ID)
}

func (s *Service) visible(ctx context.Context, id string) (*iam.Operation, error) {
	var op *iam.Operation
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		op, err = store.GetOperation(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if op.CreatedBy == gate.From(ctx).Caller().ID {
		return op, nil
	}
	if p, on := s.ListPermission(ctx, op.ResourceID); p != "" {
		may, err := gate.Allows(ctx, p, on)
		if err != nil || may {
			return op, err
		}
	}
	hidden := iam.Errorf(iam.NotFound, "Operation %s not found", id)
	hidden.Reason = gate.ReasonHidden
	return nil, hidden
}
