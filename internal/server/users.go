package server

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// Paths of the operator's commands about people.
const (
	PathUserAdd    = "/user/add"
	PathUserJoin   = "/user/join"
	PathUserList   = "/user/list"
	PathUserRemove = "/user/remove"

	PathUserToken       = "/user/token"
	PathUserTokens      = "/user/tokens"
	PathUserRevokeToken = "/user/revoke-token"
	PathUserSuspend     = "/user/suspend"
	PathUserReactivate  = "/user/reactivate"
)

// handleUsers puts the commands about people on the operator's socket.
func (s *Server) handleUsers() {
	handle(s, PathUserAdd, (*Server).AddUser)
	handle(s, PathUserJoin, (*Server).JoinUser)
	handle(s, PathUserList, (*Server).ListUsers)
	handle(s, PathUserRemove, (*Server).RemoveUser)
	handle(s, PathUserToken, (*Server).MakeUserToken)
	handle(s, PathUserTokens, (*Server).ListUserTokens)
	handle(s, PathUserRevokeToken, (*Server).RevokeUserToken)
	handle(s, PathUserSuspend, (*Server).SuspendUser)
	handle(s, PathUserReactivate, (*Server).ReactivateUser)
	s.handleSignIn()
}

const kindUser resource.Kind = "iam.userAccount" // in audit lines; people are no resources

// UserAddRequest asks for a new person.
type UserAddRequest struct {
	Login         string   `json:"login"`
	Email         string   `json:"email"`
	Name          string   `json:"name"` // as shown; "" makes it of the two below
	GivenName     string   `json:"given_name"`
	FamilyName    string   `json:"family_name"`
	Organizations []string `json:"organizations"` // ids, of which the person becomes a member
}

// User is a person as an operator sees one.
type User struct {
	ID                  string    `json:"id"`
	Login               string    `json:"login"`
	Email               string    `json:"email"`
	Name                string    `json:"name"`
	Suspended           bool      `json:"suspended,omitempty"`
	Organizations       []string  `json:"organizations"`
	LastAuthenticatedAt time.Time `json:"last_authenticated_at,omitzero"`
}

// Lookups take 100 characters [API fact: GetByLogin].
var legalEmail = regexp.MustCompile(`^[^\s@\x00-\x1f]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

func (r *UserAddRequest) check() error {
	if err := signin.CheckLogin(r.Login); err != nil {
		return err
	}
	if r.Email != "" && (len(r.Email) > 100 || !legalEmail.MatchString(r.Email)) {
		return iam.InvalidField("email", "not an e-mail address of at most 100 characters")
	}
	for _, n := range []struct{ field, value string }{{"name", r.Name}, {"given_name", r.GivenName}, {"family_name", r.FamilyName}} {
		if err := signin.CheckName(n.field, n.value); err != nil {
			return err
		}
	}
	return nil
}

func legalPersonName(s string) bool { return signin.CheckName("name", s) == nil }

// AddUser makes a person. The API has no call for it.
func (s *Server) AddUser(ctx context.Context, r UserAddRequest) (*User, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.Name == "" {
		r.Name = strings.TrimSpace(r.GivenName + " " + r.FamilyName)
	}
	u := iam.UserAccount{ID: resource.NewID(resource.PrefixIAM), Login: r.Login, Email: iam.CanonicalEmail(r.Email),
		Name: r.Name, GivenName: r.GivenName, FamilyName: r.FamilyName, Status: iam.UserAccountActive}
	var out *User
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		u.CreatedAt = tx.Now()
		if err := store.InsertUserAccount(tx, &u); err != nil {
			return err
		}
		if err := s.recordOperator(tx, "propusk.CreateUserAccount", resource.Ref{Kind: kindUser, ID: u.ID}); err != nil {
			return err
		}
		for _, id := range r.Organizations {
			if err := s.join(tx, id, u.ID); err != nil {
				return err
			}
		}
		var err error
		out, err = userOf(tx, &u)
		return err
	})
	return out, err
}

// UserJoinRequest names a person, by id, login or e-mail address, and an organization.
type UserJoinRequest struct {
	User         string `json:"user"`
	Organization string `json:"organization"`
}

// JoinUser makes a person a member of an organization; one who is a member
// already stays one.
func (s *Server) JoinUser(ctx context.Context, r UserJoinRequest) (*User, error) {
	var out *User
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		if err := s.join(tx, r.Organization, u.ID); err != nil {
			return err
		}
		out, err = userOf(tx, u)
		return err
	})
	return out, err
}

func (s *Server) join(tx *store.Tx, organizationID, userID string) error {
	added, err := store.AddMember(tx, organizationID, iam.SubjectID(userID))
	if err != nil || !added {
		return err
	}
	if err := s.quotas().Added(tx, quota.Memberships, organizationID, 1); err != nil {
		return err
	}
	return s.recordOperator(tx, "organizationmanager.CreateMembership", resource.Ref{Kind: resource.Organization, ID: organizationID},
		audit.Text("subject_id", userID))
}

// UserListRequest asks for a page of the people, of one organization unless
// that is "".
type UserListRequest struct {
	Organization string `json:"organization"`
	After        string `json:"after"` // the last id of the page before
	Limit        int    `json:"limit"` // 0 means 100, at most 1,000
}

// UserListResult is people ordered by id. More tells that there are others.
type UserListResult struct {
	Users []*User `json:"users"`
	More  bool    `json:"more"`
}

const mostUsers = 1000

// ListUsers shows people.
func (s *Server) ListUsers(ctx context.Context, r UserListRequest) (*UserListResult, error) {
	if r.Limit == 0 {
		r.Limit = 100
	}
	if r.Limit < 0 || r.Limit > mostUsers {
		return nil, iam.InvalidField("limit", "must be from 1 to %d", mostUsers)
	}
	out := &UserListResult{Users: []*User{}}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		rows, err := listUsers(tx, r.Organization, store.Page{After: r.After, Limit: r.Limit + 1})
		if err != nil {
			return err
		}
		if out.More = len(rows) > r.Limit; out.More {
			rows = rows[:r.Limit]
		}
		ids := make([]iam.SubjectID, len(rows))
		for i, row := range rows {
			ids[i] = iam.SubjectID(row.ID)
		}
		known, err := store.LoadSubjects(tx, ids, "")
		if err != nil {
			return err
		}
		for i, row := range rows {
			out.Users = append(out.Users, shownUser(row, known[ids[i]].Organizations))
		}
		return nil
	})
	return out, err
}

func listUsers(tx *store.Tx, organizationID string, p store.Page) ([]*iam.UserAccount, error) {
	if organizationID == "" {
		return store.ListUserAccounts(tx, p)
	}
	if _, err := store.GetOrganization(tx, organizationID); err != nil {
		return nil, err
	}
	return store.ListMemberAccounts(tx, organizationID, p)
}

// UserRemoveRequest names a person, by id, login or e-mail address, and an
// organization to be taken out of; "" removes the person altogether.
type UserRemoveRequest struct {
	User         string `json:"user"`
	Organization string `json:"organization"`
}

// RemoveUser takes a person out of an organization, with all bindings and
// groups there and the tokens that name it, or deletes the person with
// everything that was given to him, his OAuth tokens and every live token. The
// last owner of a cloud or organization stays.
func (s *Server) RemoveUser(ctx context.Context, r UserRemoveRequest) (*User, error) {
	var out *User
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		if out, err = userOf(tx, u); err != nil {
			return err
		}
		leaves := out.Organizations
		if r.Organization != "" {
			leaves = []string{r.Organization}
		}
		for _, id := range leaves {
			was, err := store.RemoveMember(tx, id, iam.SubjectID(u.ID))
			if err != nil {
				return err
			}
			if !was {
				return iam.Errorf(iam.NotFound, "User account %s is no member of organization %s", u.ID, id)
			}
			if err := revocation.Revoke(tx, token.KindOrganization, iam.MembershipID(id, iam.SubjectID(u.ID))); err != nil {
				return err
			}
			err = s.recordOperator(tx, "organizationmanager.DeleteMembership", resource.Ref{Kind: resource.Organization, ID: id},
				audit.Text("subject_id", u.ID))
			if err != nil {
				return err
			}
		}
		if r.Organization != "" {
			out, err = userOf(tx, u)
			return err
		}
		if err := store.DeleteUserAccount(tx, u.ID); err != nil {
			return err
		}
		if err := revocation.Revoke(tx, token.KindSubject, u.ID); err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.DeleteUserAccount", resource.Ref{Kind: kindUser, ID: u.ID})
	})
	return out, err
}

// findUser finds a person and holds him until the end of the Update.
func findUser(tx *store.Tx, who string) (*iam.UserAccount, error) {
	u, err := store.GetUserAccount(tx, who)
	if !errors.Is(err, iam.NotFound) {
		return u, err
	}
	if u, err = store.GetUserAccountByLogin(tx, who); err != nil {
		return nil, err
	}
	return store.GetUserAccount(tx, u.ID)
}

func userOf(tx *store.Tx, u *iam.UserAccount) (*User, error) {
	organizations, err := store.OrganizationsOf(tx, iam.SubjectID(u.ID))
	return shownUser(u, organizations), err
}

func shownUser(u *iam.UserAccount, organizations []string) *User {
	return &User{ID: u.ID, Login: u.Login, Email: u.Email, Name: u.Name, Suspended: u.Status != iam.UserAccountActive,
		Organizations: organizations, LastAuthenticatedAt: u.LastAuthenticatedAt}
}
