package temporary

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/sessionpolicy"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// SecurityTokenRules are the rows of SecurityTokenService. Its methods are for
// the STS door alone: a message holds the signed request and, beside it, what
// the door has read in that request. Whoever could send both might put a role, a
// life and a policy of his own beside a request that somebody else has signed;
// signed GetCallerIdentity requests are shown to others as a proof of identity.
var SecurityTokenRules = gate.Only("sts", gate.Rules("propusk.v1.SecurityTokenService",
	gate.Rule{Method: "AssumeRole", Proof: gate.Body, Effect: gate.Issues, Event: "iam.awscompatibility.CreateTemporaryAccessKey"},
	gate.Rule{Method: "GetCallerIdentity", Proof: gate.Body},
)...)

// defaultLife is that of a key whose caller names none [AWS's; the API is silent].
const defaultLife = time.Hour

// makeTemporary is what an access policy denies that lets nobody make
// temporary keys [API fact: iam.denyServiceAccountCredentialsCreation].
const makeTemporary iam.Permission = "iam.ephemeralAccessKeys.create"

// SecurityTokenService is propusk.v1.SecurityTokenService.
type SecurityTokenService struct {
	propuskpb.UnimplementedSecurityTokenServiceServer
	Make func(context.Context, mint.SessionRequest) (*mint.TemporaryKey, error)
	// KeyID is the id that requests name of the static access key with an id.
	KeyID func(ctx context.Context, id string) (string, error)
}

// AssumeRole makes a temporary key of the account that signed with a static one.
// It needs no role, for the key may do nothing that the account may not; but an
// access policy may forbid it. It lives no longer than the account, dies with the static key, and shares its id
// [API fact: AssumeRole].
func (s *SecurityTokenService) AssumeRole(ctx context.Context, r *propuskpb.AssumeRoleRequest) (*propuskpb.AssumeRoleResponse, error) {
	call := gate.From(ctx)
	id := call.Identity
	account := string(id.Subject.ID)
	call.Note("access_key_id", id.CredentialID)
	call.Note("service_account_id", account)
	call.Note("session_name", r.GetRoleSessionName())
	if id.Temporary != nil {
		return nil, &iam.Error{Kind: iam.PermissionDenied, Reason: "temporary-key",
			Message: "A temporary key makes no other temporary keys: sign with the static access key"}
	}
	if r.GetPolicy() != "" {
		if _, err := sessionpolicy.Parse(r.GetPolicy()); err != nil {
			return nil, aboutPolicy(err, "policy_malformed")
		}
	}
	if err := gate.NotForbidden(ctx, makeTemporary, account); err != nil {
		return nil, err
	}
	keyID, err := s.KeyID(ctx, id.CredentialID)
	if err != nil {
		return nil, goneMeanwhile(err)
	}
	life := time.Duration(r.GetDurationSeconds()) * time.Second
	if life == 0 {
		life = defaultLife
	}
	key, err := s.Make(ctx, mint.SessionRequest{
		Subject: id.Subject, OrganizationID: id.OrganizationID, CloudID: id.CloudID, FolderID: id.FolderID,
		Position: id.Position, NotAfter: id.NotAfter, DependsOn: id.DependsOn,
		Life: life, AccessKeyID: keyID, Name: r.GetRoleSessionName(), Policy: r.GetPolicy(),
	})
	if err != nil {
		return nil, aboutPolicy(err, "policy_too_large") // of one that is understood
	}
	call.Note("session_id", key.SessionID)
	call.NoteDetail(audit.Time("expires_at", key.ExpiresAt))
	call.Note("signing_key_id", key.KeyID)
	return &propuskpb.AssumeRoleResponse{
		AccessKeyId: key.AccessKeyID, SecretAccessKey: key.Secret.Reveal(), SessionToken: key.SessionToken.Reveal(),
		ExpiresAt: timestamppb.New(key.ExpiresAt), ServiceAccountId: account,
	}, nil
}

// aboutPolicy gives a refusal of a policy the reason by which the door words it;
// other errors stay as they are.
func aboutPolicy(err error, reason string) error {
	e, ok := errors.AsType[*iam.Error](err)
	if !ok || e.Kind != iam.InvalidArgument || len(e.Fields) != 1 || e.Fields[0].Field != "policy" {
		return err
	}
	named := *e
	named.Reason = reason
	return &named
}

// goneMeanwhile words what is found when a key ends while it is used.
func goneMeanwhile(err error) error {
	if !errors.Is(err, iam.NotFound) {
		return err
	}
	return &iam.Error{Kind: iam.Unauthenticated, Reason: "access_key_invalid", Message: "The access key has been deleted"}
}

// GetCallerIdentity tells who signed. It asks for no right: what it tells, the
// caller's key says already.
func (s *SecurityTokenService) GetCallerIdentity(ctx context.Context, _ *propuskpb.GetCallerIdentityRequest) (*propuskpb.GetCallerIdentityResponse, error) {
	id := gate.From(ctx).Identity
	out := &propuskpb.GetCallerIdentityResponse{SubjectId: string(id.Subject.ID), ContainerId: id.FolderID}
	if out.ContainerId == "" {
		out.ContainerId = id.OrganizationID
	}
	if id.Temporary != nil {
		out.SessionName = id.Temporary.Name
	}
	return out, nil
}
