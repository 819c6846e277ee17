package server

import (
	"context"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/upstream"
)

// Paths of the operator's commands about people's accounts at other providers.
const (
	PathUserConnections = "/user/connections"
	PathUserDisconnect  = "/user/disconnect"
)

func (s *Server) handleConnections() {
	handle(s, PathUserConnections, (*Server).ListUserConnections)
	handle(s, PathUserDisconnect, (*Server).DisconnectUser)
}

// UserConnectionsRequest names a person by id, login or e-mail address.
type UserConnectionsRequest struct {
	User string `json:"user"`
}

// UserConnection is an account elsewhere as an operator sees one.
type UserConnection struct {
	Provider   string    `json:"provider,omitempty"` // of the config; "" when it has it no more
	Authority  string    `json:"authority"`          // the issuer, or the address that tells of accounts
	Subject    string    `json:"subject"`            // what the provider calls the account
	Email      string    `json:"email,omitempty"`    // that the provider told last
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
}

// UserConnectionsResult is a person's accounts elsewhere.
type UserConnectionsResult struct {
	Connections []UserConnection `json:"connections"`
}

// ListUserConnections shows by which accounts elsewhere a person may sign in.
func (s *Server) ListUserConnections(ctx context.Context, r UserConnectionsRequest) (*UserConnectionsResult, error) {
	known := s.providersNow()
	out := &UserConnectionsResult{}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		rows, err := store.ListExternalIdentities(tx, u.ID)
		out.Connections = make([]UserConnection, len(rows))
		for i, x := range rows {
			out.Connections[i] = UserConnection{Authority: x.Provider, Subject: x.ExternalID, Email: x.Email, CreatedAt: x.CreatedAt, LastUsedAt: x.LastUsedAt}
			if at := slices.IndexFunc(known, func(p upstream.Provider) bool { return p.Authority() == x.Provider }); at >= 0 {
				out.Connections[i].Provider = known[at].ID
			}
		}
		return err
	})
	return out, err
}

// UserDisconnectRequest takes an account elsewhere away from a person, named by id,
// login or e-mail address.
type UserDisconnectRequest struct {
	User     string `json:"user"`
	Provider string `json:"provider"` // its id in the config, or what UserConnection.Authority says
}

// UserDisconnectResult tells what is left.
type UserDisconnectResult struct {
	UserID string `json:"user_id"`
	Left   int    `json:"left"` // things by which he can begin to sign in
}

// DisconnectUser takes an account elsewhere away, even if nothing is left by which
// the person can sign in: an operator has his reasons, and a reset link. Sessions
// stay.
func (s *Server) DisconnectUser(ctx context.Context, r UserDisconnectRequest) (*UserDisconnectResult, error) {
	known := s.providersNow()
	authority, authorities := r.Provider, make([]string, len(known))
	for i, p := range known {
		if authorities[i] = p.Authority(); p.ID == r.Provider {
			authority = authorities[i]
		}
	}
	out := &UserDisconnectResult{}
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		out.UserID = u.ID
		if _, err := store.GetUserAccount(tx, u.ID); err != nil { // held while what is left is counted
			return err
		}
		rows, err := store.ListExternalIdentities(tx, u.ID)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(rows, func(x *iam.ExternalIdentity) bool { return x.Provider == authority })
		if at < 0 {
			return iam.Errorf(iam.NotFound, "User account %s has no account of provider %s connected", u.ID, r.Provider)
		}
		if err := store.DeleteExternalIdentity(tx, u.ID, authority); err != nil {
			return err
		}
		if out.Left, err = store.CountWaysIn(tx, u.ID, authorities); err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.DisconnectExternalIdentity", resource.Ref{Kind: kindUser, ID: u.ID},
			audit.Text("provider", authority), audit.Text("external_id", rows[at].ExternalID))
	})
	return out, err
}

// providersNow are the providers of the config, without their secrets.
func (s *Server) providersNow() (known []upstream.Provider) {
	for i := range s.cfg.Providers {
		known = append(known, *s.cfg.Providers[i].provider())
	}
	return known
}
