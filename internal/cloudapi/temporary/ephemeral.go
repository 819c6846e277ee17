// Package temporary serves access keys that end by themselves: ephemeral ones,
// made of an IAM token, and those that the STS door makes of a static key. One
// file per service: its rules on top, handlers below.
package temporary

import (
	"context"
	"slices"
	"time"

	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/sessionpolicy"
	"github.com/propusk/propusk/token"
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
	// Accounts are read at a position of the feed, the caller's or a later one.
	Accounts Accounts
	Now      func() time.Time
}

// Accounts is what a key for another account reads.
type Accounts interface {
	Position() iam.Position
	ServiceAccount(ctx context.Context, id string) (*iam.ServiceAccount, error)
	Ancestors(ctx context.Context, id string) ([]resource.Ref, error)
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
		Position: id.Position, NotAfter: id.NotAfter, DependsOn: withSigningKey(id, id.DependsOn),
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
	req.Position = min(caller.Position, s.Accounts.Position()) // before the rows: what changes after it ends the key
	account, err := s.Accounts.ServiceAccount(ctx, id)
	if err != nil {
		return req, err
	}
	if account.StatusAt(s.Now()) != iam.ServiceAccountActive {
		return req, iam.Errorf(iam.FailedPrecondition, "Service account %s is suspended", account.ID)
	}
	path, err := s.Accounts.Ancestors(ctx, account.ID)
	if err != nil {
		return req, err
	}
	req.Subject = iam.Subject{ID: iam.SubjectID(account.ID), Type: iam.TypeServiceAccount}
	req.NotAfter = caller.NotAfter
	if end := account.ExpiresAt; !end.IsZero() && (req.NotAfter.IsZero() || end.Before(req.NotAfter)) {
		req.NotAfter = end
	}
	req.DependsOn = append([]token.Dependency{{Kind: token.KindSubject, ID: account.ID}}, withSigningKey(caller, caller.DependsOnIn(path[len(path)-1].ID))...)
	for _, ref := range path {
		switch ref.Kind {
		case resource.Organization:
			req.OrganizationID = ref.ID
			req.DependsOn = append(req.DependsOn, token.Dependency{Kind: token.KindOrganization, ID: ref.ID})
		case resource.Cloud:
			req.CloudID = ref.ID
			req.DependsOn = append(req.DependsOn, token.Dependency{Kind: token.KindCloud, ID: ref.ID})
		case resource.Folder:
			req.FolderID = ref.ID
			req.DependsOn = append(req.DependsOn, token.Dependency{Kind: token.KindFolder, ID: ref.ID})
		}
	}
	return req, nil
}

// withSigningKey adds the key that signed the caller's token to what ends it.
// That goes without saying in a token that the key signed, but not in a session,
// which another key makes: whoever forges tokens with a stolen key would keep
// what he made of them.
func withSigningKey(caller *credential.Identity, depends []token.Dependency) []token.Dependency {
	all := slices.Clip(depends)
	if caller.SigningKeyID == "" {
		return all
	}
	return append(all, token.Dependency{Kind: token.KindSigningKey, ID: caller.SigningKeyID})
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
