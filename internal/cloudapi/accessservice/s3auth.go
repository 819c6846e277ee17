package accessservice

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/sessionpolicy"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// S3Rules are the rows of S3AuthService.
var S3Rules = gate.Rules("propusk.v1.S3AuthService",
	gate.Rule{Method: "Authorize", Proof: gate.Service, Why: "the service asks about buckets and the types it is registered with"},
)

// S3Auth is propusk.v1.S3AuthService. It decides as AccessService does, and
// besides by the policy that a temporary key carries: both must allow. A storage
// that is shown an IAM token (Authorization: Bearer, X-YaCloud-SubjectToken)
// asks AccessService, which knows them.
type S3Auth struct {
	propuskpb.UnimplementedS3AuthServiceServer
	Service  *Service
	policies sessionpolicy.Memory
}

// s3Service is the service in the scope of signatures that this one proves.
const s3Service = "s3"

// Authorize tells who signed, and whether he may do it. That he may not is an
// answer; a signature that is not good is UNAUTHENTICATED.
func (a *S3Auth) Authorize(ctx context.Context, r *propuskpb.S3AuthorizeRequest) (*propuskpb.S3AuthorizeResponse, error) {
	call := gate.From(ctx)
	q, bucket, err := s3Question(r)
	if err != nil {
		return nil, err
	}
	if err := a.check(ctx, call.Service, q); err != nil {
		return nil, err
	}
	who, err := a.prove(ctx, r, bucket)
	if err != nil {
		return nil, answer(call, inS3Words(err, r))
	}
	out := &propuskpb.S3AuthorizeResponse{
		SubjectId: string(who.Subject.ID), SubjectType: string(who.Subject.Type),
		FolderId: who.FolderID, OrganizationId: who.OrganizationID,
	}
	if !who.NotAfter.IsZero() {
		out.ExpiresAt = timestamppb.New(who.NotAfter)
	}
	if who.Temporary != nil {
		out.SessionName = who.Temporary.Name
	}
	if out.Reason = a.refusedByPolicy(who.Temporary, r); out.Reason == "" {
		out.Reason, err = a.refusedByRoles(ctx, call.Service, who, q)
	}
	out.Allowed = out.Reason == ""
	return out, err
}

// s3Question is what AccessService would be asked, and the bucket it is about.
func s3Question(r *propuskpb.S3AuthorizeRequest) (question, string, error) {
	needs, err := readS3Action(r.GetAction())
	if err != nil {
		return question{}, "", err
	}
	bucket, err := readS3Resource(r.GetAction(), r.GetResource(), needs.on)
	if err != nil {
		return question{}, "", err
	}
	q := question{permission: needs.permission, path: refsOf(r.GetResourcePath()), at: place{form: s3}}
	for i, e := range q.path {
		if e.Kind == bucketKind && e.ID != bucket {
			return question{}, "", q.invalid(i, "%s is not the bucket of %s", e, r.GetResource())
		}
	}
	return q, bucket, nil
}

// check is Service.check, for callers that may ask about buckets at all.
func (a *S3Auth) check(ctx context.Context, by *gate.Caller, q question) error {
	if by.Types != nil && !by.Types[bucketKind] {
		return notRegistered(by, bucketKind)
	}
	return a.Service.check(ctx, by, q)
}

// prove reads the signature of either form and proves it.
func (a *S3Auth) prove(ctx context.Context, r *propuskpb.S3AuthorizeRequest, bucket string) (*credential.Identity, error) {
	s, err := a.signature(r, bucket)
	if err != nil {
		return nil, err
	}
	if s.V2 == "" && s.Service != s3Service {
		return nil, unauthenticated("signature_scope", fmt.Sprintf("The signature is for the service %.64q, %q is expected", s.Service, s3Service))
	}
	return a.Service.Proofs[AccessKey](ctx, Claim{Kind: AccessKey, Signature: &s})
}

func (a *S3Auth) signature(r *propuskpb.S3AuthorizeRequest, bucket string) (credential.Signature, error) {
	if signed := r.GetRequest(); signed != nil {
		whole := &credential.HTTPRequest{Method: signed.GetMethod(), Target: signed.GetTarget(), PayloadSHA256: signed.GetPayloadSha256(),
			Header: make([]credential.HeaderField, len(signed.GetHeaders()))}
		for i, h := range signed.GetHeaders() {
			whole.Header[i] = credential.HeaderField{Name: h.GetName(), Value: h.GetValue()}
		}
		if r.GetBucketInHost() {
			whole.Bucket = bucket
		}
		return credential.ReadRequest(whole, a.Service.Now())
	}
	m := r.GetStringToSign()
	s := credential.Signature{AccessKeyID: m.GetAccessKeyId(), StringToSign: m.GetStringToSign(), Signature: m.GetSignature(),
		SessionToken: m.GetSessionToken(), V2: m.GetV2Method()}
	if s.V2 != "" {
		return s, nil
	}
	if m.GetSignedAt() == nil {
		return s, iam.InvalidField("string_to_sign.signed_at", "is required with a signature of version 4")
	}
	s.SignedAt, s.Service, s.Region = m.GetSignedAt().AsTime(), m.GetService(), m.GetRegion()
	return s, nil
}

// refusedByPolicy says why a key's own policy does not allow it; "" when it
// does. A policy that this version does not read allows nothing.
func (a *S3Auth) refusedByPolicy(key *credential.TemporaryKey, r *propuskpb.S3AuthorizeRequest) string {
	if key == nil || key.Policy == "" {
		return ""
	}
	p, err := a.policies.Parse(key.Policy)
	if err != nil {
		return "The key's session policy is not understood here"
	}
	_, why := p.Allows(r.GetAction(), r.GetResource())
	return why
}

// refusedByRoles says why the subject's roles do not allow it, in the words of
// AccessService, which tell nothing of resources; "" when they do.
func (a *S3Auth) refusedByRoles(ctx context.Context, by *gate.Caller, who *credential.Identity, q question) (why string, err error) {
	subject := account{subject: who.Subject, folderID: who.FolderID, scopes: who.Scopes}
	err = a.Service.Consistent(ctx, func(r access.Reads) error {
		v, err := a.Service.decide(r, by, subject, q)
		if why = ""; v.denied != nil {
			why = v.denied.Message
		}
		return err
	})
	return why, err
}
