package iam

import (
	"context"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

var onAccount = gate.On(resource.ServiceAccount, "service_account_id")

// ServiceAccountRules are the rows of ServiceAccountService.
var ServiceAccountRules = append(gate.Rules("yandex.cloud.iam.v1.ServiceAccountService",
	gate.Rule{Method: "Get", Permission: "iam.serviceAccounts.get", Target: onAccount},
	gate.Rule{Method: "List", Permission: "iam.serviceAccounts.list", Target: gate.On(resource.Folder, "folder_id")},
	gate.Rule{Method: "Create", Permission: "iam.serviceAccounts.create", Target: gate.On(resource.Folder, "folder_id"),
		Effect: gate.Changes, Event: "iam.CreateServiceAccount"},
	gate.Rule{Method: "Update", Permission: "iam.serviceAccounts.update", Target: onAccount,
		Effect: gate.Changes, Event: "iam.UpdateServiceAccount"},
	gate.Rule{Method: "Delete", Permission: "iam.serviceAccounts.delete", Target: onAccount,
		Effect: gate.Changes, Event: "iam.DeleteServiceAccount"},
	gate.Rule{Method: "ListOperations", Permission: "iam.serviceAccounts.listOperations", Target: onAccount},
	gate.Rule{Method: "Suspend", Permission: "iam.serviceAccounts.suspend", Target: onAccount,
		Effect: gate.Changes, Event: "iam.SuspendServiceAccount"},
	gate.Rule{Method: "Reactivate", Permission: "iam.serviceAccounts.reactivate", Target: onAccount,
		Effect: gate.Changes, Event: "iam.ReactivateServiceAccount"},
), cloudapi.BindingRules("yandex.cloud.iam.v1.ServiceAccountService", resource.ServiceAccount, "iam.serviceAccounts", "iam.%sServiceAccountAccessBindings")...)

// ServiceAccountService is yandex.cloud.iam.v1.ServiceAccountService.
type ServiceAccountService struct {
	unbuiltAccounts
	cloudapi.Bindings
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	Quotas  quota.Limits
	Now     func() time.Time
}

// Get returns an account.
func (s *ServiceAccountService) Get(ctx context.Context, r *iampb.GetServiceAccountRequest) (*iampb.ServiceAccount, error) {
	var a *iam.ServiceAccount
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		a, err = store.GetServiceAccount(tx, r.GetServiceAccountId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.proto(a), nil
}

// List pages through the accounts of a folder.
func (s *ServiceAccountService) List(ctx context.Context, r *iampb.ListServiceAccountsRequest) (*iampb.ListServiceAccountsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetFolderId(), Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	name, err := cloudapi.NameFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	var rows []*iam.ServiceAccount
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListServiceAccounts(tx, r.GetFolderId(), store.Page{After: after, Limit: size + 1, Name: name})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &iampb.ListServiceAccountsResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(a *iam.ServiceAccount) string { return a.ID })
	for _, a := range rows {
		out.ServiceAccounts = append(out.ServiceAccounts, s.proto(a))
	}
	return out, nil
}

// Create makes an account in a folder. Its name is unique within the cloud.
func (s *ServiceAccountService) Create(ctx context.Context, r *iampb.CreateServiceAccountRequest) (*operationpb.Operation, error) {
	expires, err := expiry(r.GetExpiresAt(), s.Now())
	if err != nil {
		return nil, err
	}
	id := resource.NewIDFor(resource.ServiceAccount)
	call := gate.From(ctx)
	call.Note("service_account_id", id)
	call.Note("service_account_name", r.GetName())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: "Create service account",
		Metadata: &iampb.CreateServiceAccountMetadata{ServiceAccountId: id},
	}, func(tx *store.Tx) (proto.Message, error) {
		// Before the folder is held: who deletes the cloud goes from the top down.
		if err := s.Quotas.Reserve(tx, quota.ServiceAccounts, r.GetFolderId(), 1); err != nil {
			return nil, err
		}
		if err := cloudapi.FolderAccepts(tx, r.GetFolderId()); err != nil {
			return nil, err
		}
		a := &iam.ServiceAccount{
			ID: id, FolderID: r.GetFolderId(), Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels(),
			Status: iam.ServiceAccountActive, ExpiresAt: expires, CreatedAt: tx.Now(),
		}
		return s.proto(a), store.InsertServiceAccount(tx, a)
	})
}

// Update writes the fields of the mask, or all that can be updated without one.
func (s *ServiceAccountService) Update(ctx context.Context, r *iampb.UpdateServiceAccountRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "name", "description", "labels", "expires_at")
	if err != nil {
		return nil, err
	}
	var expires time.Time
	if mask.Has("expires_at") {
		if expires, err = expiry(r.GetExpiresAt(), s.Now()); err != nil {
			return nil, err
		}
	}
	return s.change(ctx, r.GetServiceAccountId(), "Update service account",
		&iampb.UpdateServiceAccountMetadata{ServiceAccountId: r.GetServiceAccountId()},
		func(tx *store.Tx, a *iam.ServiceAccount) (proto.Message, error) {
			outlived := false
			if mask.Has("name") {
				a.Name = r.GetName()
			}
			if mask.Has("description") {
				a.Description = r.GetDescription()
			}
			if mask.Has("labels") {
				a.Labels = r.GetLabels()
			}
			if mask.Has("expires_at") {
				outlived = mayBeOutlived(a.ExpiresAt, expires, tx.Now())
				a.ExpiresAt = expires
			}
			if err := store.UpdateServiceAccount(tx, a); err != nil {
				return nil, err
			}
			if outlived {
				// Tokens made before carry a later end.
				if err := revocation.Revoke(tx, token.KindSubject, a.ID); err != nil {
					return nil, err
				}
			}
			return s.proto(a), nil
		})
}

// Delete removes an account with its keys, its bindings and its live tokens.
func (s *ServiceAccountService) Delete(ctx context.Context, r *iampb.DeleteServiceAccountRequest) (*operationpb.Operation, error) {
	return s.change(ctx, r.GetServiceAccountId(), "Delete service account",
		&iampb.DeleteServiceAccountMetadata{ServiceAccountId: r.GetServiceAccountId()},
		func(tx *store.Tx, a *iam.ServiceAccount) (proto.Message, error) {
			if _, err := store.DeleteServiceAccount(tx, a.ID); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, revocation.Revoke(tx, token.KindSubject, a.ID)
		})
}

// Suspend stops an account from proving itself and ends its live tokens. A
// given expires_at replaces the account's.
func (s *ServiceAccountService) Suspend(ctx context.Context, r *iampb.SuspendServiceAccountRequest) (*operationpb.Operation, error) {
	expires, err := expiry(r.GetExpiresAt(), s.Now())
	if err != nil {
		return nil, err
	}
	return s.change(ctx, r.GetServiceAccountId(), "Suspend service account",
		&iampb.SuspendServiceAccountMetadata{ServiceAccountId: r.GetServiceAccountId()},
		func(tx *store.Tx, a *iam.ServiceAccount) (proto.Message, error) {
			if !expires.IsZero() {
				a.ExpiresAt = expires
				if err := store.UpdateServiceAccount(tx, a); err != nil {
					return nil, err
				}
			}
			if err := store.SetServiceAccountStatus(tx, a.ID, iam.ServiceAccountSuspended, r.GetReason()); err != nil {
				return nil, err
			}
			return &iampb.SuspendServiceAccountResponse{}, revocation.Revoke(tx, token.KindSubject, a.ID)
		})
}

// Reactivate undoes a suspension. It does not move expires_at, so an expired
// account stays suspended [API fact: reactivate].
func (s *ServiceAccountService) Reactivate(ctx context.Context, r *iampb.ReactivateServiceAccountRequest) (*operationpb.Operation, error) {
	return s.change(ctx, r.GetServiceAccountId(), "Reactivate service account",
		&iampb.ReactivateServiceAccountMetadata{ServiceAccountId: r.GetServiceAccountId()},
		func(tx *store.Tx, a *iam.ServiceAccount) (proto.Message, error) {
			return &iampb.ReactivateServiceAccountResponse{}, store.SetServiceAccountStatus(tx, a.ID, iam.ServiceAccountActive, "")
		})
}

// ListOperations pages through the operations on an account.
func (s *ServiceAccountService) ListOperations(ctx context.Context, r *iampb.ListServiceAccountOperationsRequest) (*iampb.ListServiceAccountOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetServiceAccountId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetServiceAccountId())
	return &iampb.ListServiceAccountOperationsResponse{Operations: ops, NextPageToken: next}, err
}

// change runs a change of one existing account.
func (s *ServiceAccountService) change(ctx context.Context, id, what string, meta proto.Message,
	act func(tx *store.Tx, a *iam.ServiceAccount) (proto.Message, error)) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	call.Note("service_account_id", id)
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: what, Metadata: meta,
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := holdAccount(tx, id); err != nil {
			return nil, err
		}
		a, err := store.GetServiceAccount(tx, id)
		if err != nil {
			return nil, err
		}
		return act(tx, a)
	})
}

var accountStatus = map[iam.ServiceAccountStatus]iampb.ServiceAccount_Status{
	iam.ServiceAccountActive:    iampb.ServiceAccount_ACTIVE,
	iam.ServiceAccountSuspended: iampb.ServiceAccount_SUSPENDED,
}

func (s *ServiceAccountService) proto(a *iam.ServiceAccount) *iampb.ServiceAccount {
	out := &iampb.ServiceAccount{
		Id: a.ID, FolderId: a.FolderID, Name: a.Name, Description: a.Description, Labels: a.Labels,
		CreatedAt: cloudapi.Time(a.CreatedAt), LastAuthenticatedAt: cloudapi.Time(a.LastAuthenticatedAt),
		Status: accountStatus[a.StatusAt(s.Now())],
	}
	if !a.ExpiresAt.IsZero() {
		out.ExpiresAt = timestamppb.New(a.ExpiresAt)
	}
	return out
}

// lag is more than a node may be behind when it makes a token.
const lag = time.Minute

// mayBeOutlived tells whether tokens made under the old end may live longer
// than the new one. Where none can, they are left alone: programs keep a token
// for hours.
func mayBeOutlived(old, end, now time.Time) bool {
	return !end.IsZero() && (old.IsZero() || end.Before(old)) && end.Before(now.Add(mint.Life+lag))
}

// earlier is the earlier of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// unbuiltAccounts stands one step deeper than cloudapi.Bindings, whose methods
// are the ones to be called.
type unbuiltAccounts struct {
	iampb.UnimplementedServiceAccountServiceServer
}
