// Package leakapi serves propusk.v1.LeakService: what scanners and code hosts
// have found where it does not belong. It tells which of it is a credential of
// this server, tells the owner in the audit log before it tells the finder, and
// ends what its finder wants ended. It repeats nothing of a finding.
package leakapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/temporary"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// Rules are the rows of LeakService.
var Rules = gate.Rules("propusk.v1.LeakService",
	gate.Rule{Method: "ListSecretTypes", Why: "the handler admits the account of a registered leak source alone"},
	gate.Rule{Method: "ReportSuspects", Why: "the handler admits the account of a registered leak source alone"},
	gate.Rule{Method: "Inspect", Why: "who holds a credential whole could use it, and its owner hears of the question"},
	gate.Rule{Method: "Revoke", Why: "whoever holds a credential whole may end it", Effect: gate.Changes, Event: "iam.RevokeLeakedCredential"},
)

// Service is propusk.v1.LeakService.
type Service struct {
	propuskpb.UnimplementedLeakServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	// Accounts are those that found credentials belong to.
	Accounts Accounts
	// Open decrypts a secret from its row.
	Open   func(at seal.Place, sealed []byte) ([]byte, error)
	Verify func(iamToken string) (*token.Claims, error)
	// Session reads a session token of this server that has not ended; any
	// other is iam.Unauthenticated.
	Session func(ctx context.Context, sessionToken string) (*temporary.Session, error)
	// Cookie reads the session of a person's cookie that has not ended; any other
	// is iam.Unauthenticated.
	Cookie func(ctx context.Context, cookie string) (*iam.Session, error)
	// RefreshLookup is by what the row of a refresh token is found; false for a
	// text that is none.
	RefreshLookup func(text string) (lookup string, ok bool)
	// Searchable tells whether static access keys from before there were look-ups
	// have been given theirs, as far as their secrets open.
	Searchable func() bool
	// Sources are the service accounts of leak sources, by the sources' ids.
	Sources map[string]string
	// Record returns when an event is in the audit log, durably.
	Record func(*audit.Event) error
	// Report is told what kept a single finding from being judged by a fault
	// of ours; the finder is told that it is unknown.
	Report func(error)
	Now    func() time.Time

	told told
}

// Accounts is what is read of those whom credentials belong to. A miss is
// iam.NotFound.
type Accounts interface {
	ServiceAccount(ctx context.Context, id string) (*iam.ServiceAccount, error)
	// Ancestors lists a resource, itself first, its organization last.
	Ancestors(ctx context.Context, id string) ([]resource.Ref, error)
}

// made are the kinds of credential that this server makes. The others have no
// rows here, and so none of them is live.
var made = []leak.Kind{leak.IAMToken, leak.SessionToken, leak.APIKey, leak.AccessSecret, leak.AuthorizedKey, leak.OAuthToken, leak.OAuthClientSecret, leak.IAMCookie, leak.RefreshToken}

// ListSecretTypes lists what this server makes: a host that knew more would send
// us what others' credentials are.
func (s *Service) ListSecretTypes(ctx context.Context, r *propuskpb.ListSecretTypesRequest) (*propuskpb.ListSecretTypesResponse, error) {
	if err := s.admit(ctx, r.GetLeakSourceId()); err != nil {
		return nil, err
	}
	out := &propuskpb.ListSecretTypesResponse{}
	for _, k := range made {
		out.Types = append(out.Types, &propuskpb.SecretType{Type: string(k), RegexMatcher: k.Matcher()})
	}
	return out, nil
}

// admit refuses everybody but the account of a leak source. One that is not
// registered is refused as one of somebody else is.
func (s *Service) admit(ctx context.Context, source string) error {
	caller := gate.From(ctx).Caller()
	account, known := s.Sources[source]
	if !known || account != string(caller.ID) || caller.Type != iam.TypeServiceAccount {
		return gate.Denied([]resource.Ref{{Kind: "leak-source", ID: source}})
	}
	return nil
}

// kindOf reads the type of a finding.
func kindOf(field, name string) (leak.Kind, error) {
	if k := leak.Kind(name); k.Known() {
		return k, nil
	}
	return "", iam.InvalidField(field, "is no type of secret that this server knows of")
}

// judge is find for one finding of many: what cannot be found out about it keeps
// nothing else from being judged.
func (s *Service) judge(ctx context.Context, kind leak.Kind, text string) (f *found, unknown bool, err error) {
	f, err = s.find(ctx, kind, text)
	switch {
	case err == nil:
		return f, false, nil
	case ctx.Err() != nil:
		return nil, false, ctx.Err()
	case iam.KindOf(err) == iam.Internal:
		s.Report(fmt.Errorf("judge a found %s: %w", kind, err))
	}
	return nil, true, nil
}

// ReportSuspects judges what a code host has found and tells the owners.
func (s *Service) ReportSuspects(ctx context.Context, r *propuskpb.ReportSuspectsRequest) (*propuskpb.ReportSuspectsResponse, error) {
	source := r.GetLeakSourceId()
	if err := s.admit(ctx, source); err != nil {
		return nil, err
	}
	kinds := make([]leak.Kind, len(r.GetSuspects()))
	for i, suspect := range r.GetSuspects() {
		var err error
		if kinds[i], err = kindOf(fmt.Sprintf("suspects[%d].data_type", i), suspect.GetDataType()); err != nil {
			return nil, err
		}
	}
	out := &propuskpb.ReportSuspectsResponse{}
	for i, suspect := range r.GetSuspects() {
		f, unknown, err := s.judge(ctx, kinds[i], suspect.GetPayload())
		if err != nil {
			return nil, err
		}
		status := "NOT_CONFIRMED"
		switch {
		case unknown:
			status = "TEMPORARILY_UNAVAILABLE"
		case f != nil && !f.half:
			if err := s.tellOwner(ctx, f, suspect.GetUri(), source); err != nil {
				return nil, err
			}
			status = "CONFIRMED"
		}
		out.Statuses = append(out.Statuses, status)
	}
	return out, nil
}

// Inspect judges what anybody has found and tells the owners, too.
func (s *Service) Inspect(ctx context.Context, r *propuskpb.InspectRequest) (*propuskpb.InspectResponse, error) {
	kinds := make([]leak.Kind, len(r.GetFindings()))
	for i, finding := range r.GetFindings() {
		var err error
		if kinds[i], err = kindOf(fmt.Sprintf("findings[%d].type", i), finding.GetType()); err != nil {
			return nil, err
		}
	}
	out := &propuskpb.InspectResponse{}
	for i, finding := range r.GetFindings() {
		f, unknown, err := s.judge(ctx, kinds[i], finding.GetPayload())
		if err != nil {
			return nil, err
		}
		if f != nil {
			if err := s.tellOwner(ctx, f, "", ""); err != nil {
				return nil, err
			}
		}
		out.Verdicts = append(out.Verdicts, verdict(f, unknown))
	}
	return out, nil
}

// verdict shows whose a credential is to those who could find it out by using
// it, which takes more than a public key.
func verdict(f *found, unknown bool) *propuskpb.Verdict {
	switch {
	case unknown:
		return &propuskpb.Verdict{State: propuskpb.Verdict_UNKNOWN}
	case f == nil:
		return &propuskpb.Verdict{State: propuskpb.Verdict_DEAD}
	}
	v := &propuskpb.Verdict{State: propuskpb.Verdict_LIVE, CredentialId: f.id}
	if f.dormant {
		v.State = propuskpb.Verdict_DORMANT
	}
	if !f.half {
		v.SubjectId = string(f.subject.ID)
	}
	return v
}

var errDead = iam.Errorf(iam.NotFound, "The finding is no credential of this server, or one that has ended: there is nothing to revoke")

// Revoke ends a found credential. No access policy takes that from its holder,
// who could do more harm with it. Keys are deleted and not only revoked, so
// that nobody goes on to take one for good.
func (s *Service) Revoke(ctx context.Context, r *propuskpb.RevokeLeakRequest) (*propuskpb.RevokeLeakResponse, error) {
	kind, err := kindOf("finding.type", r.GetFinding().GetType())
	if err != nil {
		return nil, err
	}
	f, err := s.find(ctx, kind, r.GetFinding().GetPayload())
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return nil, errDead
	case f.half:
		return nil, iam.InvalidField("finding.payload", "is the public half of a key, which is no secret: only who holds the private half may revoke it")
	}
	call := gate.From(ctx)
	call.Target, call.Path = string(f.subject.ID), f.path
	for _, d := range f.details(r.GetUri(), "") {
		call.NoteDetail(d)
	}
	if f.session != nil {
		if err := cloudapi.MayEndSession(ctx, f.session); err != nil {
			return nil, err
		}
	}
	err = s.Changes.Plain(ctx, func(tx *store.Tx) error { return f.end(tx) })
	if errors.Is(err, iam.NotFound) {
		return nil, errDead // somebody else was quicker
	}
	if err != nil {
		return nil, err
	}
	return &propuskpb.RevokeLeakResponse{SubjectId: string(f.subject.ID), CredentialId: f.id}, nil
}
