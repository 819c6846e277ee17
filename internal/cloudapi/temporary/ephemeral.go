// Package temporary serves access keys that end by themselves: ephemeral ones,
// made of an IAM token, and those that the STS door makes of a static key. One
// file per service: its rules on top, handlers below.
package temporary

import (
	"context"
	"time"

	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/sessionpolicy"
)

// EphemeralRules are the rows of awscompatibility.TemporaryAccessKeyService.
var EphemeralRules = gate.Rules("yandex.cloud.iam.v1.awscompatibility.TemporaryAccessKeyService",
	gate.Rule{Method: "CreateEphemeral", Why: "a key of the caller himself can do no more than his token; " +
		"for another account the handler asks for iam.ephemeralAccessKeys.create on it",
		Effect: gate.Issues, Event: "iam.awscompatibility.CreateEphemeralAccessKey"},
)

// EphemeralService is yandex.cloud.iam.v1.awscompatibility.TemporaryAccessKeyService.
type EphemeralService struct {
	awspb.UnimplementedTemporaryAccessKeyServiceServer
	Sessions *mint.Sessions
	Accounts cloudapi.Accounts
	Now      func() time.Time
}

// createToken is the right to impersonate.
const createToken iam.Permission = "iam.serviceAccounts.createToken"

// CreateEphemeral makes an access key of the caller, or of a service account on
// which he may make them. It lives as long as was asked for, but no longer than
// the caller's token, and dies with it.
func (s *EphemeralService) CreateEphemeral(ctx context.Context, r *awspb.CreateEphemeralAccessKeyRequest) (*awspb.CreateEphemeralAccessKeyResponse, error) {
	if !isSessionName(r.GetSessionName()) {
		return nil, iam.InvalidField("session_name", "only letters of A to Z, digits and the characters _+=,.@- are allowed")
	}
	if r.GetPolicy() != "" {
		if _, err := sessionpolicy.Parse(r.GetPolicy()); err != nil {
			return nil, err
		}
	}
	call := gate.From(ctx)
	of := s.ofAnother
	if id := r.GetSubjectId(); id == "" || id == string(call.Caller().ID) {
		of = s.ofCaller
	}
	req, err := of(ctx, call.Identity, r.GetSubjectId())
	if err != nil {
		return nil, err
	}
	req.Life, req.Name, req.Policy = r.GetDuration().AsDuration(), r.GetSessionName(), r.GetPolicy()
	key, err := s.Sessions.Make(ctx, req)
	if err != nil {
		return nil, err
	}
	note(call, &req, key)
	return &awspb.CreateEphemeralAccessKeyResponse{
		AccessKeyId: key.AccessKeyID, Secret: key.Secret.Reveal(), SessionToken: key.SessionToken.Reveal(), ExpiresAt: timestamppb.New(key.ExpiresAt),
	}, nil
}

// ofCaller is a key for the caller himself, which needs no role; but a policy
// may forbid service accounts to make themselves credentials.
func (s *EphemeralService) ofCaller(ctx context.Context, id *credential.Identity, _ string) (mint.SessionRequest, error) {
	req := mint.SessionRequest{
		Subject: id.Subject, OrganizationID: id.OrganizationID, CloudID: id.CloudID, FolderID: id.FolderID,
		Position: id.Position, NotAfter: id.NotAfter, DependsOn: cloudapi.WithSigningKey(id, id.DependsOn),
	}
	if id.Subject.Type != iam.TypeServiceAccount {
		return req, nil
	}
	return req, gate.NotForbidden(ctx, makeTemporary, string(id.Subject.ID))
}

// ofAnother is a key by which the caller acts as a service account. Its role
// says so by itself, as that for static keys does; a policy against such keys
// forbids it, and so does one against impersonation, which it is.
func (s *EphemeralService) ofAnother(ctx context.Context, caller *credential.Identity, id string) (req mint.SessionRequest, err error) {
	if err := gate.Require(ctx, makeTemporary, resource.ServiceAccount, id); err != nil {
		return req, err
	}
	if err := gate.NotForbidden(ctx, createToken, id); err != nil {
		return req, err
	}
	as, err := cloudapi.Impersonate(ctx, s.Accounts, caller, id, s.Now())
	if err != nil {
		return req, err
	}
	return mint.SessionRequest{
		Subject: as.Subject, OrganizationID: as.OrganizationID, CloudID: as.CloudID, FolderID: as.FolderID,
		Position: as.Position, NotAfter: as.NotAfter, DependsOn: as.DependsOn,
	}, nil
}

// note tells the audit log of a key that was made, without its secrets.
func note(call *gate.Call, req *mint.SessionRequest, key *mint.TemporaryKey) {
	call.Note("access_key_id", key.AccessKeyID)
	call.Note("session_id", key.SessionID)
	call.Note("session_name", req.Name)
	call.Note("subject_type", string(req.Subject.Type))
	call.Note("subject_id", string(req.Subject.ID))
	call.NoteDetail(audit.Time("expires_at", key.ExpiresAt))
	call.Note("signing_key_id", key.KeyID)
	if req.Subject != call.Caller() {
		call.Note("impersonator_id", string(call.Caller().ID))
	}
}

// isSessionName tells whether a name has the characters that the API names
// [API fact: CreateEphemeralAccessKeyRequest.session_name]; the gate has
// looked at its length.
func isSessionName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_', c == '+', c == '=', c == ',', c == '.', c == '@', c == '-':
		default:
			return false
		}
	}
	return true
}
