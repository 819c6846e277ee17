package signinapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mail"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// JoinRules are the rows of JoinService. Nobody is proved: whoever calls has no
// account yet, or cannot get into it.
var JoinRules = gate.Only(door, gate.Rules("propusk.v1.JoinService",
	gate.Rule{Method: "GetInvitation", Proof: gate.Open},
	gate.Rule{Method: "AcceptInvitation", Proof: gate.Open, Effect: gate.Changes, Event: "propusk.AcceptInvitation"},
	gate.Rule{Method: "AskSignUp", Proof: gate.Open, Effect: gate.Changes, Event: "propusk.AskSignUp"},
	gate.Rule{Method: "SignUp", Proof: gate.Open, Effect: gate.Changes, Event: "propusk.SignUp"},
	gate.Rule{Method: "AskReset", Proof: gate.Open, Effect: gate.Changes, Event: "propusk.AskPasswordReset"},
)...)

// SignUps says how people may make accounts of their own.
type SignUps struct {
	AtOnce        bool     // without a word of anybody: SignUp
	ByMail        bool     // with a link to their mailbox: AskSignUp
	Domains       []string // of mailboxes, in lower case; empty: of any
	Organizations []string // ids, of which new people become members
}

// Takes tells whether a mailbox, in lower case, may become that of an account by a
// link that it has asked for itself.
func (s SignUps) Takes(email string) bool {
	_, domain, _ := strings.Cut(email, "@")
	return s.ByMail && (len(s.Domains) == 0 || slices.Contains(s.Domains, domain))
}

// find returns the invitation of a link that still works. One that a mailbox has
// asked for is worth what people may do by themselves now, not when it was made.
func (s *JoinService) find(tx *store.Tx, secret string) (*iam.Invitation, error) {
	i, err := store.FindInvitation(tx, signin.TicketLookup(secret))
	if err != nil {
		return nil, invitationOr(err)
	}
	if i.Origin != iam.InvitedBySignUp {
		return i, nil
	}
	if !s.SignUps.Takes(i.Email) {
		return nil, errInvitation
	}
	i.Organizations = slices.DeleteFunc(i.Organizations, func(id string) bool { return !slices.Contains(s.SignUps.Organizations, id) })
	return i, nil
}

// JoinService is propusk.v1.JoinService.
type JoinService struct {
	propuskpb.UnimplementedJoinServiceServer
	Changes   cloudapi.Changes
	Quotas    quota.Limits
	Passwords *signin.Passwords
	// Addresses slow down those who ask often. They are not those of sign-ins: who
	// asks for letters keeps nobody from signing in.
	Addresses *signin.Addresses
	SignIn    *SignInService
	Outbox    *mail.Outbox // nil: no mail is sent
	SignUps   SignUps
}

var errInvitation = &iam.Error{Kind: iam.Unauthenticated, Reason: "invitation_ended", Message: "The invitation was used, has expired or was taken back"}

// invitationOr is one answer to all that an invitation is no more.
func invitationOr(err error) error {
	if errors.Is(err, iam.NotFound) {
		return errInvitation
	}
	return err
}

// GetInvitation shows an invitation to whoever holds its link.
func (s *JoinService) GetInvitation(ctx context.Context, r *propuskpb.GetInvitationRequest) (*propuskpb.Invitation, error) {
	var out *propuskpb.Invitation
	err := s.Changes.DB.View(ctx, func(tx *store.Tx) error {
		i, err := s.find(tx, r.GetInvitation())
		if err != nil {
			return err
		}
		out = &propuskpb.Invitation{Email: i.Email, Name: i.Name, ExpiresAt: timestamppb.New(i.ExpiresAt)}
		for _, id := range i.Organizations {
			o, err := store.GetOrganization(tx, id)
			if errors.Is(err, iam.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			out.Organizations = append(out.Organizations, &propuskpb.AccountOrganization{Id: o.ID, Name: o.Name, Title: o.Title})
		}
		return nil
	})
	return out, err
}

// AcceptInvitation makes the account that an invitation is for, once.
func (s *JoinService) AcceptInvitation(ctx context.Context, r *propuskpb.AcceptInvitationRequest) (*propuskpb.SignInResponse, error) {
	call, address := gate.From(ctx), r.GetClient().GetAddress()
	if err := s.Addresses.Enter(address); err != nil { // a link is no way to try logins, either
		return nil, err
	}
	var i *iam.Invitation
	err := s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
		i, err = s.find(tx, r.GetInvitation())
		return err
	})
	if err != nil {
		return nil, err
	}
	call.Note("invitation_id", i.ID)
	n, err := newcomerOf(r.GetLogin(), r.GetName(), i.Email, r.GetNewPassword())
	if err != nil {
		return nil, err
	}
	if i.Origin == iam.InvitedBySignUp { // a stranger with as many mailboxes as he likes
		n.phc, err = s.Passwords.HashForStranger(ctx, address, n.password)
	} else { // the invitation stands for the person, who has no id yet
		n.phc, err = s.Passwords.Hash(ctx, i.ID, n.password)
	}
	if err != nil {
		return nil, err
	}
	n.organizations = i.Organizations
	n.session = firstSession(n.account.ID, r.GetClient())
	err = s.Changes.Plain(ctx, func(tx *store.Tx) error {
		if _, err := store.UseInvitation(tx, i.Lookup); err != nil {
			return invitationOr(err) // somebody was quicker
		}
		return s.welcome(tx, call, n)
	})
	if err != nil {
		return nil, err
	}
	s.Addresses.Forgive(address)
	return n.session.answer(), nil
}

var errNoSignUp = &iam.Error{Kind: iam.FailedPrecondition, Reason: "sign_up_off", Message: "People do not make accounts of their own here: ask an administrator for an invitation"}

// SignUp makes an account at once. It has no e-mail address: nobody could look
// whose it is, and one that is taken would tell that somebody has it.
func (s *JoinService) SignUp(ctx context.Context, r *propuskpb.SignUpRequest) (*propuskpb.SignInResponse, error) {
	if !s.SignUps.AtOnce {
		return nil, errNoSignUp
	}
	call, address := gate.From(ctx), r.GetClient().GetAddress()
	if err := s.Addresses.Enter(address); err != nil {
		return nil, err
	}
	n, err := newcomerOf(r.GetLogin(), r.GetName(), "", r.GetNewPassword())
	if err != nil {
		return nil, err
	}
	n.account.EmailUnverified = true
	if n.phc, err = s.Passwords.HashForStranger(ctx, address, n.password); err != nil {
		return nil, err
	}
	n.organizations = s.SignUps.Organizations
	n.session = firstSession(n.account.ID, r.GetClient())
	if err := s.Changes.Plain(ctx, func(tx *store.Tx) error { return s.welcome(tx, call, n) }); err != nil {
		return nil, err
	}
	return n.session.answer(), nil
}

const (
	// askedWorth is how long a wish is worth a letter: whoever asked has gone then.
	askedWorth = time.Hour
	// SignUpLife is how long the link in a letter to a mailbox works that asked for it.
	SignUpLife = 24 * time.Hour
)

// AskSignUp notes that a mailbox wants to become that of an account.
func (s *JoinService) AskSignUp(ctx context.Context, r *propuskpb.AskSignUpRequest) (*propuskpb.AskSignUpResponse, error) {
	if !s.SignUps.ByMail || s.Outbox == nil {
		return nil, errNoSignUp
	}
	email := mail.Canonical(r.GetEmail())
	if err := mail.CheckAddress("email", email); err != nil {
		return nil, err
	}
	if !s.SignUps.Takes(email) {
		e := iam.InvalidField("email", "is not of a domain whose people may make accounts here")
		e.Reason = "email_domain"
		return nil, e
	}
	return &propuskpb.AskSignUpResponse{}, s.ask(ctx, r.GetClient(), mail.Ask{Kind: mail.SignUp, Who: email, Language: r.GetLanguage()})
}

// AskReset notes that somebody has forgotten a password.
func (s *JoinService) AskReset(ctx context.Context, r *propuskpb.AskResetRequest) (*propuskpb.AskResetResponse, error) {
	if s.Outbox == nil {
		return nil, &iam.Error{Kind: iam.FailedPrecondition, Reason: "mail_off", Message: "This server sends no mail: ask an administrator for a link"}
	}
	return &propuskpb.AskResetResponse{}, s.ask(ctx, r.GetClient(), mail.Ask{Kind: mail.Reset, Who: r.GetLogin(), Language: r.GetLanguage()})
}

// ask keeps a wish and looks nothing up: what is done for a person and for nobody
// is the same.
func (s *JoinService) ask(ctx context.Context, from *propuskpb.Client, a mail.Ask) error {
	if err := s.Addresses.Enter(from.GetAddress()); err != nil {
		return err
	}
	a.Address = shown(from.GetAddress())
	m, err := s.Outbox.Pack(mail.Envelope{Ask: &a})
	if err != nil {
		return err
	}
	return s.Changes.Plain(ctx, func(tx *store.Tx) error { return mail.PostAsk(tx, m, askedWorth) })
}

// beside is a line beside that of the call itself, about something that it made.
func beside(tx *store.Tx, call *gate.Call, event string, at audit.Place, details ...audit.Detail) error {
	e := gate.EventOf(call, nil)
	e.Type, e.Details = audit.TypeOf(event), details
	e.Resource.Path = []audit.Place{at}
	return audit.Insert(tx, e)
}
