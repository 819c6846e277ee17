package iam

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/temporary"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// RevocationRules are the rows of RevocationService. What is asked for depends
// on what the id names, so the handlers ask.
var RevocationRules = gate.Rules("propusk.v1.RevocationService",
	gate.Rule{Method: "RevokeSubject", Effect: gate.Changes, Event: "propusk.RevokeSubjectTokens",
		Why: "a subject's own; for a service account iam.serviceAccounts.suspend is asked for on it, for a person organization-manager.users.delete on every organization that the person is in"},
	gate.Rule{Method: "RevokeCredential", Effect: gate.Changes, Event: "propusk.RevokeCredentialTokens",
		Why: "the permission to delete the key is asked for on its account"},
	gate.Rule{Method: "RevokeSession", Effect: gate.Changes, Event: "propusk.RevokeSession",
		Why: "its subject may, and who may suspend the account: the session token stands in presigned addresses"},
)

// RevocationService is propusk.v1.RevocationService: it ends tokens by what
// they were made from.
type RevocationService struct {
	propuskpb.UnimplementedRevocationServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	// Session is what a session token says, and a miss when it is none of this
	// installation's.
	Session func(text string) (*temporary.Session, iam.Secret, error)
	Now     func() time.Time
}

// RevokeSubject ends all tokens and temporary keys of a subject that were made
// so far. API keys and static access keys are no tokens and go on working.
func (s *RevocationService) RevokeSubject(ctx context.Context, r *propuskpb.RevokeSubjectRequest) (*propuskpb.RevokeResponse, error) {
	id := r.GetSubjectId()
	call := gate.From(ctx)
	call.Note("subject_id", id)
	in, err := s.mayEnd(ctx, id)
	if err != nil {
		return nil, err
	}
	return &propuskpb.RevokeResponse{SubjectId: id}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		if in != nil {
			if _, err := store.GetUserAccount(tx, id); err != nil { // held: joining another organization waits
				return err
			}
			now, err := store.OrganizationsOf(tx, iam.SubjectID(id))
			if err != nil {
				return err
			}
			if !slices.Equal(now, in) {
				return store.ErrMoved // somebody else may have a say by now
			}
		}
		return revocation.Revoke(tx, token.KindSubject, id)
	})
}

// mayEnd asks whether the caller may end a subject's tokens. For a person it
// returns the organizations whose consent the answer rests on.
func (s *RevocationService) mayEnd(ctx context.Context, id string) (in []string, err error) {
	if string(gate.From(ctx).Caller().ID) == id {
		return nil, nil
	}
	var account, person bool
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		_, err = store.GetServiceAccount(tx, id)
		if account = err == nil; !errors.Is(err, iam.NotFound) {
			return err
		}
		_, err = store.GetUserAccount(tx, id)
		if person = err == nil; !person {
			return err
		}
		in, err = store.OrganizationsOf(tx, iam.SubjectID(id))
		return err
	})
	switch {
	case err != nil && !errors.Is(err, iam.NotFound):
		return nil, err
	case account:
		err := gate.Require(ctx, "iam.serviceAccounts.suspend", resource.ServiceAccount, id)
		if e, ok := errors.AsType[*iam.Error](err); ok && e.Kind == iam.NotFound {
			return nil, noSubject(id, e.Reason)
		}
		return nil, err
	case person:
		return in, mayEndPerson(ctx, id, in)
	}
	return nil, noSubject(id, "gone")
}

// mayEndPerson asks for the right to end a membership in every organization
// that a person is in: the person's tokens are good in all of them. One in none
// is everybody's stranger.
func mayEndPerson(ctx context.Context, id string, in []string) error {
	var known, unknown []string
	for _, organization := range in {
		knows, err := gate.Knows(ctx, organization)
		if err != nil {
			return err
		}
		if knows {
			known = append(known, organization)
		} else {
			unknown = append(unknown, organization)
		}
	}
	if len(known) == 0 {
		return noSubject(id, gate.ReasonHidden)
	}
	for _, organization := range known {
		if err := gate.Require(ctx, "organization-manager.users.delete", resource.Organization, organization); err != nil {
			return err
		}
	}
	if len(unknown) > 0 { // which they are is not the caller's business
		return gate.Denied([]resource.Ref{{Kind: "iam.userAccount", ID: id}})
	}
	return nil
}

func noSubject(id, reason string) error {
	return &iam.Error{Kind: iam.NotFound, Message: "Subject " + id + " not found", Reason: reason}
}

// RevokeCredential ends all tokens and temporary keys that were made with a
// key so far. The key itself goes on working.
func (s *RevocationService) RevokeCredential(ctx context.Context, r *propuskpb.RevokeCredentialRequest) (*propuskpb.RevokeResponse, error) {
	id := r.GetCredentialId()
	call := gate.From(ctx)
	call.Note("credential_id", id)
	account, permission, err := s.key(ctx, id)
	if err != nil {
		return nil, err
	}
	err = gate.Require(ctx, permission, resource.ServiceAccount, account)
	if e, ok := errors.AsType[*iam.Error](err); ok && e.Kind == iam.NotFound {
		return nil, noKey(id, e.Reason)
	}
	if err != nil {
		return nil, err
	}
	if permission == deleteAPIKey {
		return nil, iam.Errorf(iam.FailedPrecondition, "API key %s makes no tokens that could be ended: to end the key, delete it", id)
	}
	return &propuskpb.RevokeResponse{SubjectId: account}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		if err := noteAccount(tx, call, account); err != nil {
			return err
		}
		return revocation.Revoke(tx, token.KindCredential, id)
	})
}

const deleteAPIKey iam.Permission = "iam.apiKeys.delete"

// key is whose key an id names, and what deleting it takes.
func (s *RevocationService) key(ctx context.Context, id string) (account string, permission iam.Permission, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		key, err := store.GetKey(tx, id)
		if err == nil {
			account, permission = key.ServiceAccountID, "iam.keys.delete"
			return nil
		}
		if !errors.Is(err, iam.NotFound) {
			return err
		}
		access, err := store.GetAccessKey(tx, id)
		if err == nil {
			account, permission = access.ServiceAccountID, "iam.accessKeys.delete"
			return nil
		}
		if !errors.Is(err, iam.NotFound) {
			return err
		}
		api, err := store.GetAPIKey(tx, id)
		if err == nil {
			account, permission = api.ServiceAccountID, deleteAPIKey
		}
		return err
	})
	if errors.Is(err, iam.NotFound) {
		err = noKey(id, "gone")
	}
	return account, permission, err
}

func noKey(id, reason string) error {
	text := "Key " + id + " not found"
	if given := credential.KindOf(id); given == "a static access key's id" { // people know this one better
		text += ": it looks like the id that a static access key signs with, and the key's own id is expected"
	}
	return &iam.Error{Kind: iam.NotFound, Message: text, Reason: reason}
}

// RevokeSession ends a temporary key. One that has expired or was revoked
// before is answered as if it had been live, so that a script may revoke twice.
func (s *RevocationService) RevokeSession(ctx context.Context, r *propuskpb.RevokeSessionRequest) (*propuskpb.RevokeResponse, error) {
	session, _, err := s.Session(r.GetSessionToken())
	if given := credential.KindOf(r.GetSessionToken()); errors.Is(err, temporary.ErrMalformed) && given != "" && !strings.HasPrefix(r.GetSessionToken(), "s1.") {
		return nil, iam.InvalidField("session_token", "not a session token, which begins with s1., but %s", given)
	}
	if errors.Is(err, temporary.ErrMalformed) {
		return nil, iam.InvalidField("session_token", "not a session token of this server")
	}
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.NoteDetail(audit.Text("session_id", session.ID))
	call.NoteDetail(audit.Text("access_key_id", session.AccessKeyID))
	call.NoteDetail(audit.Text("subject_id", string(session.Subject.ID)))
	if err := cloudapi.MayEndSession(ctx, session); err != nil {
		return nil, err
	}
	answer := &propuskpb.RevokeResponse{SubjectId: string(session.Subject.ID)}
	ended := !s.Now().Before(session.ExpiresAt)
	if !ended {
		err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
			ended, err = store.Ended(tx, session.DependsOn, session.Position)
			return err
		})
	}
	if ended || err != nil { // or one holder could fill everybody's feed with one session
		return answer, err
	}
	return answer, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		return revocation.Revoke(tx, token.KindSession, session.ID)
	})
}
