package cloudapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// ListOperations pages through the operations of one resource, newest first.
func ListOperations(ctx context.Context, db *store.DB, p Pages, l List, resourceID string) ([]*operationpb.Operation, string, error) {
	place, size, err := p.Open(l)
	if err != nil {
		return nil, "", err
	}
	after, err := cursorOf(place)
	if err != nil {
		return nil, "", err
	}
	var ops []*iam.Operation
	err = db.View(ctx, func(tx *store.Tx) (err error) {
		ops, err = store.ListOperations(tx, resourceID, after, size+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	ops, next := Cut(p, l, ops, size, placeOf)
	out := make([]*operationpb.Operation, 0, len(ops))
	for _, op := range ops {
		o, err := OperationProto(op)
		if err != nil {
			return nil, "", err
		}
		out = append(out, o)
	}
	return out, next, nil
}

// placeOf is an operation's place in its list: microseconds of its time, then its id.
func placeOf(op *iam.Operation) string {
	return strconv.FormatInt(op.CreatedAt.UnixMicro(), 36) + "/" + op.ID
}

func cursorOf(place string) (store.OperationCursor, error) {
	if place == "" {
		return store.OperationCursor{}, nil
	}
	at, id, _ := strings.Cut(place, "/")
	micros, err := strconv.ParseInt(at, 36, 64)
	if err != nil {
		return store.OperationCursor{}, badPageToken()
	}
	return store.OperationCursor{CreatedAt: time.UnixMicro(micros).UTC(), ID: id}, nil
}
