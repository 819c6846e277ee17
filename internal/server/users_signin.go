package server

import (
	"context"
	"strconv"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
)

// Paths of the operator's commands about people who sign in.
const (
	PathUserPassword  = "/user/password"
	PathUserResetLink = "/user/reset-link"
	PathUserSessions  = "/user/sessions"
	PathUserSignOut   = "/user/sign-out"
)

func (s *Server) handleSignIn() {
	handle(s, PathUserPassword, (*Server).SetUserPassword)
	handle(s, PathUserResetLink, (*Server).MakeResetLink)
	handle(s, PathUserSessions, (*Server).ListUserSessions)
	handle(s, PathUserSignOut, (*Server).SignOutUser)
	s.handleJoining()
	s.handleConnections()
}

// UserPasswordRequest gives a person, named by id, login or e-mail address, a
// password.
type UserPasswordRequest struct {
	User     string `json:"user"`
	Password string `json:"password"`
	// RemoveSecondFactor takes the authenticator app and the passkeys away, of a
	// person who has lost them and the recovery codes.
	RemoveSecondFactor bool `json:"remove_second_factor"`
}

// SetUserPassword sets a password and ends every session of the person. It asks
// of the password what is asked of one that a person chooses.
func (s *Server) SetUserPassword(ctx context.Context, r UserPasswordRequest) (*User, error) {
	u, err := s.lookUpUser(ctx, r.User)
	if err != nil {
		return nil, err
	}
	secret := iam.NewSecret(r.Password)
	if err := signinapi.CheckPassword("password", secret, u); err != nil {
		return nil, err
	}
	phc, err := s.passwords.HashForOperator(ctx, secret)
	if err != nil {
		return nil, err
	}
	var out *User
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		ended, err := signinapi.SetPassword(tx, u.ID, phc, "")
		if err != nil {
			return err
		}
		removed, passkeys := false, 0
		if r.RemoveSecondFactor {
			if passkeys, err = signinapi.RemovePasskeys(tx, u.ID); err != nil {
				return err
			}
			if removed, err = store.DeleteTOTP(tx, u.ID); err != nil {
				return err
			}
		}
		if out, err = userOf(tx, u); err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.SetPassword", resource.Ref{Kind: kindUser, ID: u.ID},
			audit.Text("sessions_ended", strconv.Itoa(ended)), audit.Text("second_factor_removed", strconv.FormatBool(removed || passkeys > 0)),
			audit.Text("passkeys_removed", strconv.Itoa(passkeys)))
	})
	return out, err
}

func (s *Server) lookUpUser(ctx context.Context, who string) (u *iam.UserAccount, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		u, err = findUser(tx, who)
		return err
	})
	return u, err
}

// UserResetLinkRequest names a person by id, login or e-mail address.
type UserResetLinkRequest struct {
	User string `json:"user"`
}

// UserResetLinkResult is a link that sets a password once.
type UserResetLinkResult struct {
	UserID    string    `json:"user_id"`
	Link      string    `json:"link"`
	ExpiresAt time.Time `json:"expires_at"`
}

// MakeResetLink makes a link by which a person sets a password: the first, or
// another one. It replaces the link before it. FAILED_PRECONDITION when nobody
// has said at which address people reach this server.
func (s *Server) MakeResetLink(ctx context.Context, r UserResetLinkRequest) (*UserResetLinkResult, error) {
	site, err := s.site()
	if err != nil {
		return nil, err
	}
	secret, lookup := signin.NewTicket()
	out := &UserResetLinkResult{Link: signinapi.Link(site, "/reset", "token", secret)}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		if u.Status != iam.UserAccountActive {
			return iam.Errorf(iam.FailedPrecondition, "User account %s is suspended", u.ID)
		}
		out.UserID, out.ExpiresAt = u.ID, tx.Now().Add(signin.ResetLife)
		if err := store.DeleteTickets(tx, u.ID, iam.TicketPasswordReset); err != nil {
			return err
		}
		err = store.InsertTicket(tx, &iam.Ticket{Lookup: lookup, Purpose: iam.TicketPasswordReset, UserID: u.ID, Tries: 1, ExpiresAt: out.ExpiresAt})
		if err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.CreateResetLink", resource.Ref{Kind: kindUser, ID: u.ID}, audit.Time("expires_at", out.ExpiresAt))
	})
	return out, err
}

// UserSessionsRequest asks for the sessions of a person, named by id, login or
// e-mail address.
type UserSessionsRequest struct {
	User string `json:"user"`
}

// UserSession is a session as an operator sees one.
type UserSession struct {
	ID           string    `json:"id"`
	CreatedAt    time.Time `json:"created_at"`
	LastSeenAt   time.Time `json:"last_seen_at"`
	ExpiresAt    time.Time `json:"expires_at"`
	SecondFactor bool      `json:"second_factor"`
	Address      string    `json:"address"`
	Place        string    `json:"place,omitempty"` // the settings' name of the network
	UserAgent    string    `json:"user_agent"`
}

// UserSessionsResult is a person's sessions by their ids.
type UserSessionsResult struct {
	Sessions []UserSession `json:"sessions"`
}

// ListUserSessions shows where a person is signed in.
func (s *Server) ListUserSessions(ctx context.Context, r UserSessionsRequest) (*UserSessionsResult, error) {
	out := &UserSessionsResult{}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		rows, err := store.ListSessions(tx, u.ID, tx.Now().Add(-s.cfg.SessionIdle), store.Page{Limit: 1000})
		out.Sessions = make([]UserSession, len(rows))
		for i, row := range rows {
			out.Sessions[i] = UserSession{ID: row.ID, CreatedAt: row.CreatedAt, LastSeenAt: row.LastSeenAt, ExpiresAt: row.ExpiresAt,
				SecondFactor: row.SecondFactor, Address: row.Address, Place: s.places.Of(row.Address), UserAgent: row.UserAgent}
		}
		return err
	})
	return out, err
}

// UserSignOutRequest names a person by id, login or e-mail address.
type UserSignOutRequest struct {
	User string `json:"user"`
}

// UserSignOutResult tells what has ended.
type UserSignOutResult struct {
	UserID string `json:"user_id"`
	Ended  int    `json:"ended"`
}

// SignOutUser ends every session of a person, and every program that he has let
// act for him, with the IAM tokens that were made of them. His password and his
// OAuth tokens stay as they are, and so does what programs are allowed.
func (s *Server) SignOutUser(ctx context.Context, r UserSignOutRequest) (*UserSignOutResult, error) {
	out := &UserSignOutResult{}
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		out.UserID = u.ID
		if out.Ended, err = signinapi.EndSessions(tx, u.ID, ""); err != nil {
			return err
		}
		grants, err := cloudapi.EndGrants(tx, u.ID, "")
		if err != nil {
			return err
		}
		return s.recordOperator(tx, "iam.credential.RevokeSsoSession", resource.Ref{Kind: kindUser, ID: u.ID},
			audit.Text("sessions_ended", strconv.Itoa(out.Ended)), audit.Text("grants_ended", strconv.Itoa(grants)))
	})
	return out, err
}
