package server

import (
	"context"
	"strconv"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// oauthTokensKept is how long one that has expired is still listed.
const oauthTokensKept = 30 * 24 * time.Hour

// UserTokenRequest asks for an OAuth token of a person, named by id, login or
// e-mail address.
type UserTokenRequest struct {
	User        string `json:"user"`
	Description string `json:"description"`
}

// UserTokenResult is a new OAuth token. Secret is shown once.
type UserTokenResult struct {
	UserToken
	Secret string `json:"secret"`
}

// UserToken is an OAuth token as an operator sees one.
type UserToken struct {
	ID          string    `json:"id"`
	UserID      string    `json:"user_id"`
	Description string    `json:"description"`
	Masked      string    `json:"masked"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	LastUsedAt  time.Time `json:"last_used_at,omitzero"`
}

func shownToken(t *iam.OAuthToken) UserToken {
	return UserToken{ID: t.ID, UserID: t.UserID, Description: t.Description, Masked: t.Masked,
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, LastUsedAt: t.LastUsedAt}
}

// MakeUserToken makes an OAuth token of a person, good for a year.
func (s *Server) MakeUserToken(ctx context.Context, r UserTokenRequest) (*UserTokenResult, error) {
	if !legalPersonName(r.Description) {
		return nil, iam.InvalidField("description", "at most 256 characters, and none that cannot be shown")
	}
	secret, t := newOAuthToken(r.Description)
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		if u.Status != iam.UserAccountActive {
			return iam.Errorf(iam.FailedPrecondition, "User account %s is suspended", u.ID)
		}
		live, err := store.CountOAuthTokens(tx, u.ID, signinapi.MostOAuthTokens)
		if err != nil {
			return err
		}
		if live >= signinapi.MostOAuthTokens {
			return iam.Errorf(iam.ResourceExhausted, "User account %s has %d OAuth tokens: revoke some of them first", u.ID, live)
		}
		return s.insertOAuthToken(tx, t, u.ID)
	})
	if err != nil {
		return nil, err
	}
	return &UserTokenResult{UserToken: shownToken(t), Secret: secret.Reveal()}, nil
}

func newOAuthToken(description string) (iam.Secret, *iam.OAuthToken) {
	secret, t := credential.NewOAuthToken()
	t.ID, t.Description = resource.NewID(resource.PrefixIAM), description
	return secret, t
}

func (s *Server) insertOAuthToken(tx *store.Tx, t *iam.OAuthToken, userID string) error {
	t.UserID, t.CreatedAt = userID, tx.Now()
	t.ExpiresAt = signinapi.OAuthTokenEnd(t.CreatedAt)
	if err := store.InsertOAuthToken(tx, t); err != nil {
		return err
	}
	return s.recordOperator(tx, "propusk.CreateOAuthToken", resource.Ref{Kind: kindUser, ID: userID},
		audit.Text("oauth_token_id", t.ID), audit.Text("masked_token", t.Masked), audit.Time("expires_at", t.ExpiresAt))
}

// UserTokensRequest asks for the OAuth tokens of a person, named by id, login
// or e-mail address.
type UserTokensRequest struct {
	User string `json:"user"`
}

// UserTokensResult is a person's OAuth tokens by their ids, those among them
// that expired less than 30 days ago.
type UserTokensResult struct {
	Tokens []UserToken `json:"tokens"`
}

// ListUserTokens shows a person's OAuth tokens: at most signinapi.MostOAuthTokens live
// ones, and of those that have expired as many as fit into a thousand.
func (s *Server) ListUserTokens(ctx context.Context, r UserTokensRequest) (*UserTokensResult, error) {
	out := &UserTokensResult{}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, r.User)
		if err != nil {
			return err
		}
		rows, err := store.ListOAuthTokens(tx, u.ID, store.Page{Limit: 1000})
		out.Tokens = make([]UserToken, len(rows))
		for i, t := range rows {
			out.Tokens[i] = shownToken(t)
		}
		return err
	})
	return out, err
}

// UserRevokeTokenRequest names an OAuth token by its id.
type UserRevokeTokenRequest struct {
	ID string `json:"id"`
	// IAMTokens ends every IAM token and temporary key of the person, too, that
	// was made so far, whatever it was made from.
	IAMTokens bool `json:"iam_tokens"`
}

// RevokeUserToken ends an OAuth token. IAM tokens that were made from it go on
// working unless the request says otherwise [API fact: revocation of OAuth tokens].
func (s *Server) RevokeUserToken(ctx context.Context, r UserRevokeTokenRequest) (*UserToken, error) {
	var out UserToken
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		t, err := store.GetOAuthToken(tx, r.ID)
		if err != nil {
			return err
		}
		out = shownToken(t)
		if err := store.DeleteOAuthToken(tx, t.ID); err != nil {
			return err
		}
		if r.IAMTokens {
			if err := revocation.Revoke(tx, token.KindSubject, t.UserID); err != nil {
				return err
			}
		}
		return s.recordOperator(tx, "propusk.RevokeOAuthToken", resource.Ref{Kind: kindUser, ID: t.UserID},
			audit.Text("oauth_token_id", t.ID), audit.Text("iam_tokens_revoked", strconv.FormatBool(r.IAMTokens)))
	})
	return &out, err
}

// UserSuspendRequest names a person, by id, login or e-mail address.
type UserSuspendRequest struct {
	User   string `json:"user"`
	Reason string `json:"reason"` // of a suspension
}

// SuspendUser shuts a person out: every IAM token and temporary key of his,
// every session and every program that acts for him ends, and his OAuth tokens and his password prove nothing until
// he is reactivated. His roles
// and groups stay, and so the last owner of something can be suspended: an
// account that is in wrong hands must be, and only an operator undoes it.
func (s *Server) SuspendUser(ctx context.Context, r UserSuspendRequest) (*User, error) {
	if !legalPersonName(r.Reason) {
		return nil, iam.InvalidField("reason", "at most 256 characters, and none that cannot be shown")
	}
	return s.setUserStatus(ctx, r.User, iam.UserAccountSuspended, r.Reason, "propusk.SuspendUserAccount")
}

// ReactivateUser lets a suspended person in again. What has ended stays ended.
func (s *Server) ReactivateUser(ctx context.Context, r UserSuspendRequest) (*User, error) {
	return s.setUserStatus(ctx, r.User, iam.UserAccountActive, "", "propusk.ReactivateUserAccount")
}

func (s *Server) setUserStatus(ctx context.Context, who string, status iam.UserAccountStatus, reason, event string) (*User, error) {
	var out *User
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := findUser(tx, who)
		if err != nil {
			return err
		}
		changed, err := store.SetUserAccountStatus(tx, u.ID, status, reason)
		if err != nil {
			return err
		}
		u.Status = status
		if out, err = userOf(tx, u); err != nil || !changed {
			return err
		}
		if status == iam.UserAccountSuspended {
			if err := revocation.Revoke(tx, token.KindSubject, u.ID); err != nil {
				return err
			}
			if _, err := signinapi.EndSessions(tx, u.ID, ""); err != nil {
				return err
			}
			if _, err := cloudapi.EndGrants(tx, u.ID, ""); err != nil {
				return err
			}
			for _, purpose := range []iam.TicketPurpose{iam.TicketSecondFactor, iam.TicketPasswordReset} {
				if err := store.DeleteTickets(tx, u.ID, purpose); err != nil {
					return err
				}
			}
		}
		var details audit.Details
		if reason != "" {
			details = audit.Details{audit.Text("reason", reason)}
		}
		return s.recordOperator(tx, event, resource.Ref{Kind: kindUser, ID: u.ID}, details...)
	})
	return out, err
}
