package accessservice

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// Kind is a kind of credential that a service may pass on.
type Kind string

// The kinds that the two packages have.
const (
	IAMToken     Kind = "IAM token"
	APIKey       Kind = "API key"
	AccessKey    Kind = "access key signature"
	IAMCookie    Kind = "IAM cookie"
	RefreshToken Kind = "refresh token"

	nobody  Kind = ""
	subject Kind = "subject" // named, not proved
)

// Claim is who somebody says he is. The zero Claim says nothing.
type Claim struct {
	Kind      Kind
	Text      iam.Secret            // the credential, unless it is a signature
	Signature *credential.Signature // of an AccessKey claim

	named iam.Subject
}

// Proof proves a credential of one kind: UNAUTHENTICATED with a text for the
// caller when it is not good.
type Proof func(ctx context.Context, c Claim) (*credential.Identity, error)

// account is a subject as the answers show it.
type account struct {
	subject  iam.Subject
	folderID string   // of a service account
	scopes   []string // of an API key, which they narrow; nil for all else
}

// prove finds out who a claim of a calling service is about.
func (s *Service) prove(ctx context.Context, by *gate.Caller, c Claim) (account, error) {
	switch c.Kind {
	case nobody:
		return account{}, unauthenticated("credential_missing", "No credential is given, or an empty one, or one of a kind that is not known")
	case subject:
		return s.named(ctx, by, c.named)
	}
	proof, ok := s.Proofs[c.Kind]
	if !ok {
		return account{}, unauthenticated("credential_kind", "The "+string(c.Kind)+" is not valid: this server has given out none")
	}
	id, err := proof(ctx, c)
	if err != nil {
		return account{}, err
	}
	return account{subject: id.Subject, folderID: id.FolderID, scopes: id.Scopes}, nil
}

// named takes a subject on the caller's word, as long as it may call at all:
// somebody who is gone is not even among all authenticated users.
func (s *Service) named(ctx context.Context, by *gate.Caller, who iam.Subject) (account, error) {
	switch who.Type {
	case iam.TypeServiceAccount:
		return s.namedAccount(ctx, by, who)
	case iam.TypeAnonymous:
		return account{subject: who}, nil
	}
	u, err := s.Accounts.UserAccount(ctx, string(who.ID))
	if errors.Is(err, iam.NotFound) || err == nil && u.Status != iam.UserAccountActive { // which of them is not the caller's business
		err = unauthenticated("account_unknown", "User account "+string(who.ID)+" not found")
	}
	return account{subject: who}, err
}

// namedAccount tells nothing of an account in an organization that the caller
// may not ask about: neither its folder nor that it is suspended.
func (s *Service) namedAccount(ctx context.Context, by *gate.Caller, who iam.Subject) (account, error) {
	unknown := unauthenticated("account_unknown", "Service account "+string(who.ID)+" not found")
	a, err := s.Accounts.ServiceAccount(ctx, string(who.ID))
	if errors.Is(err, iam.NotFound) {
		return account{}, unknown
	}
	if err != nil {
		return account{}, err
	}
	shown, err := s.shows(ctx, by, a.FolderID)
	active := a.StatusAt(s.Now()) == iam.ServiceAccountActive
	switch {
	case err != nil:
		return account{}, err
	case !active && !shown:
		return account{}, unknown
	case !active:
		return account{}, unauthenticated("account_suspended", "The service account "+a.ID+" is suspended")
	case !shown:
		return account{subject: who}, nil
	}
	return account{subject: who, folderID: a.FolderID}, nil
}

// shows tells whether a caller may ask about what a folder stands in.
func (s *Service) shows(ctx context.Context, by *gate.Caller, folderID string) (bool, error) {
	if by.Everywhere {
		return true, nil
	}
	err := s.Consistent(ctx, func(r access.Reads) error {
		above, err := r.Ancestors(folderID)
		if err != nil {
			return err
		}
		return s.mayAskIn(r, by, above[len(above)-1])
	})
	if errors.Is(err, errUnknown) || errors.Is(err, iam.NotFound) { // hidden, or gone at this moment
		return false, nil
	}
	return err == nil, err
}

func unauthenticated(reason, text string) error {
	return &iam.Error{Kind: iam.Unauthenticated, Message: text, Reason: reason}
}

// claim is a credential; an empty one is none at all.
func claim(kind Kind, text string) Claim {
	if text == "" {
		return Claim{}
	}
	return Claim{Kind: kind, Text: iam.NewSecret(text)}
}

// naming is a subject without a credential.
func naming(t iam.SubjectType, id string) Claim {
	return Claim{Kind: subject, named: iam.Subject{ID: iam.SubjectID(id), Type: t}}
}

// signed is a signature as both packages have it.
func signed[V2 interface{ GetSignatureMethod() M }, M fmt.Stringer, V4 interface {
	comparable
	GetSignedAt() *timestamppb.Timestamp
	GetService() string
	GetRegion() string
}](m interface {
	GetAccessKeyId() string
	GetStringToSign() string
	GetSignature() string
	GetV2Parameters() V2
	GetV4Parameters() V4
}) Claim {
	s := &credential.Signature{AccessKeyID: m.GetAccessKeyId(), StringToSign: m.GetStringToSign(), Signature: m.GetSignature()}
	var none V4
	if v4 := m.GetV4Parameters(); v4 != none {
		s.SignedAt, s.Service, s.Region = v4.GetSignedAt().AsTime(), v4.GetService(), v4.GetRegion()
	} else {
		s.V2 = m.GetV2Parameters().GetSignatureMethod().String()
	}
	return Claim{Kind: AccessKey, Signature: s}
}
