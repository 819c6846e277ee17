package accessservice

import (
	"context"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/servicecontrol/v1"
)

// ServiceControl is yandex.cloud.priv.servicecontrol.v1.AccessService.
type ServiceControl struct {
	pb.UnimplementedAccessServiceServer
	Service *Service
}

// Authenticate says whose a credential is.
func (a ServiceControl) Authenticate(ctx context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	who, err := a.Service.authenticate(ctx, a.credential(r))
	if err != nil {
		return nil, err
	}
	return &pb.AuthenticateResponse{Subject: a.subject(who)}, nil
}

func (ServiceControl) credential(r *pb.AuthenticateRequest) Claim {
	switch c := r.GetCredentials().(type) {
	case *pb.AuthenticateRequest_IamToken:
		return claim(IAMToken, c.IamToken)
	case *pb.AuthenticateRequest_ApiKey:
		return claim(APIKey, c.ApiKey)
	case *pb.AuthenticateRequest_IamCookie:
		return claim(IAMCookie, c.IamCookie)
	case *pb.AuthenticateRequest_Signature:
		return signed(c.Signature)
	}
	return Claim{}
}

// Authorize says whether somebody may do something.
func (a ServiceControl) Authorize(ctx context.Context, r *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
	who, path, err := a.Service.authorize(ctx, a.identity(r), question{
		permission: iam.Permission(r.GetPermission()), path: refsOf(r.GetResourcePath())})
	if err != nil {
		return nil, err
	}
	return &pb.AuthorizeResponse{Subject: a.subject(who), ResourcePath: a.path(path)}, nil
}

// BulkAuthorize says which of many things somebody may do.
func (a ServiceControl) BulkAuthorize(ctx context.Context, r *pb.BulkAuthorizeRequest) (*pb.BulkAuthorizeResponse, error) {
	show, err := columnsOf(r.GetResultMask())
	if err != nil {
		return nil, err
	}
	questions := questionsOf(r.GetActions().GetItems())
	if m := r.GetActionMatrix(); m != nil {
		if questions, err = cellsOf(m.GetResourcePaths(), m.GetPermissions()); err != nil {
			return nil, err
		}
	}
	only := filter(r.GetResultFilter())
	who, verdicts, err := a.Service.bulk(ctx, a.identity(r), questions, only == firstFailed)
	if iam.KindOf(err) == iam.Unauthenticated {
		text, details := failure(gate.From(ctx), err)
		return &pb.BulkAuthorizeResponse{UnauthenticatedError: &pb.BulkAuthorizeResponse_Error{Message: text, Details: details}}, nil
	}
	if err != nil {
		return nil, err
	}
	results := &pb.BulkAuthorizeResponse_Results{}
	for i := range verdicts {
		if v := &verdicts[i]; only.shows(v) {
			results.Items = append(results.Items, a.result(v, show))
		}
	}
	return &pb.BulkAuthorizeResponse{Subject: a.subject(who), Results: results}, nil
}

// result repeats the path as it was asked about, so that the caller finds his question.
func (a ServiceControl) result(v *verdict, show columns) *pb.BulkAuthorizeResponse_Result {
	out := &pb.BulkAuthorizeResponse_Result{}
	if show.permission {
		out.Permission = string(v.permission)
	}
	if show.path {
		out.ResourcePath = a.path(v.path)
	}
	if show.denied && v.denied != nil {
		out.PermissionDeniedError = &pb.BulkAuthorizeResponse_Error{Message: v.denied.Message}
	}
	return out
}

func (ServiceControl) identity(r interface {
	GetSubject() *pb.Subject
	GetIamToken() string
	GetApiKey() string
	GetSignature() *pb.AccessKeySignature
}) Claim {
	switch {
	case r.GetSubject() != nil:
		s := r.GetSubject()
		if s.GetAnonymousAccount() != nil {
			return naming(iam.TypeAnonymous, "")
		}
		if s.GetServiceAccount() != nil {
			return naming(iam.TypeServiceAccount, s.GetServiceAccount().GetId())
		}
		return naming(iam.TypeUserAccount, s.GetUserAccount().GetId())
	case r.GetSignature() != nil:
		return signed(r.GetSignature())
	case r.GetApiKey() != "":
		return claim(APIKey, r.GetApiKey())
	}
	return claim(IAMToken, r.GetIamToken())
}

func (ServiceControl) subject(who account) *pb.Subject {
	switch who.subject.Type {
	case iam.TypeServiceAccount:
		all := &struct { // in one piece of memory
			subject pb.Subject
			kind    pb.Subject_ServiceAccount_
			account pb.Subject_ServiceAccount
		}{}
		all.account.Id, all.account.FolderId = string(who.subject.ID), who.folderID
		all.kind.ServiceAccount, all.subject.Type = &all.account, &all.kind
		return &all.subject
	case iam.TypeAnonymous:
		return &pb.Subject{Type: &pb.Subject_AnonymousAccount_{AnonymousAccount: &pb.Subject_AnonymousAccount{}}}
	}
	return &pb.Subject{Type: &pb.Subject_UserAccount_{UserAccount: &pb.Subject_UserAccount{Id: string(who.subject.ID)}}}
}

func (ServiceControl) path(refs []resource.Ref) []*pb.Resource {
	all, out := make([]pb.Resource, len(refs)), make([]*pb.Resource, len(refs))
	for i, r := range refs {
		all[i].Id, all[i].Type = r.ID, string(r.Kind)
		out[i] = &all[i]
	}
	return out
}
