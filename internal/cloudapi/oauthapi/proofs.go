package oauthapi

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Proof proves the caller of a method by what is in its message.
type Proof = func(ctx context.Context, m proto.Message) (*credential.Identity, error)

// SessionProofs prove people by the cookies of their browsers.
type SessionProofs struct {
	Session *credential.Session
	// Seen notes that a session, and so the person, was there.
	Seen func(sessionID, userID string)
}

// All are the proofs by the full names of the methods.
func (p *SessionProofs) All() map[string]Proof {
	return map[string]Proof{
		propuskpb.AuthorizationService_Prepare_FullMethodName:       p.Prove,
		propuskpb.AuthorizationService_Allow_FullMethodName:         p.Prove,
		propuskpb.AuthorizationService_ListPrograms_FullMethodName:  p.Prove,
		propuskpb.AuthorizationService_RemoveProgram_FullMethodName: p.Prove,
	}
}

// Prove is the person of the cookie in a message's field "session".
func (p *SessionProofs) Prove(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	id, err := p.Session.Prove(ctx, m.(interface{ GetSession() string }).GetSession())
	if err == nil {
		p.Seen(id.CredentialID, string(id.Subject.ID))
	}
	return id, err
}
