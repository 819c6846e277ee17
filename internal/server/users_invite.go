package server

import (
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mail"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
)

// Paths of the operator's commands about invitations and mail.
const (
	PathUserInvite           = "/user/invite"
	PathUserInvitations      = "/user/invitations"
	PathUserRevokeInvitation = "/user/revoke-invitation"
	PathMailTest             = "/mail/test"
)

func (s *Server) handleJoining() {
	handle(s, PathUserInvite, (*Server).InviteUser)
	handle(s, PathUserInvitations, (*Server).ListInvitations)
	handle(s, PathUserRevokeInvitation, (*Server).RevokeInvitation)
	handle(s, PathMailTest, (*Server).TestMail)
}

const (
	kindInvitation resource.Kind = signinapi.InvitationKind // in audit lines
	leastInvited                 = time.Minute
	// MostInvited is how long an invitation may work.
	MostInvited = 90 * 24 * time.Hour
)

// UserInviteRequest asks for a link by which somebody makes an account.
type UserInviteRequest struct {
	Email         string        `json:"email"`         // the account's; the operator vouches for it
	Name          string        `json:"name"`          // proposed
	Organizations []string      `json:"organizations"` // ids, of which the person becomes a member
	Expires       time.Duration `json:"expires"`
	Send          bool          `json:"send"` // to the address, in place of showing the link
	Language      string        `json:"language"`
}

func (r *UserInviteRequest) check() error {
	r.Email = mail.Canonical(r.Email)
	if err := mail.CheckAddress("email", r.Email); err != nil {
		return err
	}
	if err := signin.CheckName("name", r.Name); err != nil {
		return err
	}
	if r.Expires < leastInvited || r.Expires > MostInvited {
		return iam.InvalidField("expires", "must be from %s to %s", leastInvited, formatDuration(MostInvited))
	}
	return nil
}

// UserInviteResult is an invitation that was made. The link is "" when it was sent.
type UserInviteResult struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Link      string    `json:"link,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
}

// InviteUser makes an invitation, in place of an operator's earlier one to the same
// mailbox. ALREADY_EXISTS when an account has the address,
// FAILED_PRECONDITION when links cannot be made, or not be sent as asked for.
func (s *Server) InviteUser(ctx context.Context, r UserInviteRequest) (*UserInviteResult, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.Send && s.outbox == nil {
		return nil, iam.Errorf(iam.FailedPrecondition, "smtp-address is not set: this server sends no mail. Without --send the link is printed")
	}
	site, err := s.site()
	if err != nil {
		return nil, err
	}
	secret, lookup := signin.NewTicket()
	i := &iam.Invitation{ID: resource.NewID(resource.PrefixIAM), Lookup: lookup, Origin: iam.InvitedByOperator, Email: r.Email, Name: r.Name, Organizations: r.Organizations}
	link := signinapi.Link(site, "/join", "invitation", secret)
	var letter *iam.OutgoingMail
	if r.Send {
		words := mail.Words{Site: site, Link: link, Expires: s.now().Add(r.Expires)}
		if letter, err = s.outbox.Pack(mail.Envelope{Letter: mail.Write(r.Email, r.Language, mail.Invitation, words)}); err != nil {
			return nil, err
		}
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := store.GetUserAccountByLogin(tx, r.Email); !errors.Is(err, iam.NotFound) {
			if err == nil {
				err = iam.Errorf(iam.AlreadyExists, "User account with e-mail %s already exists", r.Email)
			}
			return err
		}
		for _, id := range r.Organizations {
			if _, err := store.GetOrganization(tx, id); err != nil {
				return err
			}
		}
		if err := store.DeleteInvitationsTo(tx, r.Email, iam.InvitedByOperator); err != nil {
			return err
		}
		i.CreatedAt, i.ExpiresAt = tx.Now(), tx.Now().Add(r.Expires)
		if err := store.InsertInvitation(tx, i); err != nil {
			return err
		}
		details := audit.Details{audit.Time("expires_at", i.ExpiresAt), audit.Texts("organizations", r.Organizations...)}
		if letter != nil {
			details = append(details, audit.Text("mailed", "true"))
			if err := mail.Post(tx, letter, r.Expires); err != nil {
				return err
			}
		}
		return s.recordOperator(tx, "propusk.CreateInvitation", resource.Ref{Kind: kindInvitation, ID: i.ID}, details...)
	})
	out := &UserInviteResult{ID: i.ID, Email: i.Email, ExpiresAt: i.ExpiresAt}
	if !r.Send {
		out.Link = link
	}
	return out, err
}

// UserInvitationsRequest asks for a page of the invitations that work.
type UserInvitationsRequest struct {
	After string `json:"after"` // the last id of the page before
	Limit int    `json:"limit"` // 0 means 100, at most 1,000
}

// UserInvitation is an invitation as an operator sees one; its link is shown to
// nobody again.
type UserInvitation struct {
	ID            string    `json:"id"`
	Email         string    `json:"email"`
	Name          string    `json:"name"`
	Organizations []string  `json:"organizations"`
	SignUp        bool      `json:"sign_up"` // the mailbox has asked for it itself
	CreatedAt     time.Time `json:"created_at"`
	ExpiresAt     time.Time `json:"expires_at"`
}

// UserInvitationsResult is invitations ordered by id. More tells that there are others.
type UserInvitationsResult struct {
	Invitations []UserInvitation `json:"invitations"`
	More        bool             `json:"more"`
}

// ListInvitations shows the invitations that were not used yet.
func (s *Server) ListInvitations(ctx context.Context, r UserInvitationsRequest) (*UserInvitationsResult, error) {
	if r.Limit == 0 {
		r.Limit = 100
	}
	if r.Limit < 0 || r.Limit > mostUsers {
		return nil, iam.InvalidField("limit", "must be from 1 to %d", mostUsers)
	}
	out := &UserInvitationsResult{Invitations: []UserInvitation{}}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		rows, err := store.ListInvitations(tx, store.Page{After: r.After, Limit: r.Limit + 1})
		if err != nil {
			return err
		}
		if out.More = len(rows) > r.Limit; out.More {
			rows = rows[:r.Limit]
		}
		for _, i := range rows {
			out.Invitations = append(out.Invitations, UserInvitation{ID: i.ID, Email: i.Email, Name: i.Name, Organizations: i.Organizations,
				SignUp: i.Origin == iam.InvitedBySignUp, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt})
		}
		return nil
	})
	return out, err
}

// UserRevokeInvitationRequest names an invitation by its id.
type UserRevokeInvitationRequest struct {
	ID string `json:"id"`
}

// RevokeInvitation takes an invitation back: its link works no more.
func (s *Server) RevokeInvitation(ctx context.Context, r UserRevokeInvitationRequest) (struct{}, error) {
	return struct{}{}, s.db.Update(ctx, func(tx *store.Tx) error {
		if err := store.DeleteInvitation(tx, r.ID); err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.RevokeInvitation", resource.Ref{Kind: kindInvitation, ID: r.ID})
	})
}

// MailTestRequest names a mailbox.
type MailTestRequest struct {
	Address  string `json:"address"`
	Language string `json:"language"`
}

// TestMail sends a letter at once and tells what failed, in the SMTP server's own
// words.
func (s *Server) TestMail(ctx context.Context, r MailTestRequest) (struct{}, error) {
	var none struct{}
	if s.smtp == nil {
		return none, iam.Errorf(iam.FailedPrecondition, "smtp-address is not set: this server sends no mail")
	}
	if err := mail.CheckAddress("address", r.Address); err != nil {
		return none, err
	}
	site, err := s.site()
	if err != nil {
		return none, err
	}
	if err := s.smtp.Send(ctx, mail.Write(r.Address, r.Language, mail.Trial, mail.Words{Site: site})); err != nil {
		return none, iam.Wrap(err, iam.Unavailable, "%s: %v", s.cfg.SMTP.Address, err)
	}
	return none, nil
}
