package server

import (
	"context"
	"errors"
	"strconv"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// PathOrganizationRefreshTokens is that of the operator's command on the socket.
const PathOrganizationRefreshTokens = "/organization/refresh-tokens"

func (s *Server) handleOrganizations() {
	handle(s, PathOrganizationRefreshTokens, (*Server).SetRefreshTokens)
}

// RefreshTokensRequest says whether members of an organization may be given
// refresh tokens.
type RefreshTokensRequest struct {
	Organization string `json:"organization"` // id
	// Setting is ON, OFF, or DPOP for tokens that are bound to a key of the
	// program's; "" asks how it is.
	Setting iam.RefreshTokenSetting `json:"setting"`
}

// RefreshTokensResult is how it is now.
type RefreshTokensResult struct {
	Organization string                  `json:"organization"`
	Setting      iam.RefreshTokenSetting `json:"setting"`
	Before       iam.RefreshTokenSetting `json:"before"`
	Ended        int                     `json:"ended"` // refresh tokens
}

// refreshEndBatch bounds the refresh tokens that one transaction ends.
const refreshEndBatch = 200

// SetRefreshTokens says whether members of an organization may be given refresh
// tokens. Those that they may not have any more end, with all that was made of
// them; they are refused from the moment when the setting is written.
func (s *Server) SetRefreshTokens(ctx context.Context, r RefreshTokensRequest) (*RefreshTokensResult, error) {
	out := &RefreshTokensResult{Organization: r.Organization, Setting: r.Setting}
	switch r.Setting {
	case "":
		err := s.db.View(ctx, func(tx *store.Tx) (err error) {
			if _, err := store.GetOrganization(tx, r.Organization); err != nil {
				return err
			}
			out.Setting, err = store.GetOrganizationRefreshTokens(tx, r.Organization)
			return err
		})
		out.Before = out.Setting
		return out, err
	case iam.RefreshTokensOn, iam.RefreshTokensOff, iam.RefreshTokensDPoP:
	default:
		return nil, iam.InvalidField("setting", "must be ON, OFF or DPOP")
	}
	err := s.db.Update(ctx, func(tx *store.Tx) (err error) {
		if out.Before, err = store.SetOrganizationRefreshTokens(tx, r.Organization, r.Setting); err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.SetRefreshTokens", resource.Ref{Kind: resource.Organization, ID: r.Organization},
			audit.Text("setting", string(r.Setting)), audit.Text("setting_before", string(out.Before)))
	})
	if err != nil {
		return out, err
	}
	out.Ended, err = s.endForbiddenRefreshTokens(ctx, r.Organization)
	return out, err
}

// endForbiddenRefreshTokens ends what an organization's setting forbids its
// members, in batches, and tells of how many grants.
func (s *Server) endForbiddenRefreshTokens(ctx context.Context, organizationID string) (ended int, err error) {
	for {
		some := 0
		err := s.db.View(ctx, func(tx *store.Tx) error { // so that nobody waits for a look that finds nothing
			rows, err := store.ListForbiddenRefreshTokens(tx, organizationID, 1)
			some = len(rows)
			return err
		})
		if err != nil || some == 0 {
			return ended, err
		}
		n, err := s.endForbiddenBatch(ctx, organizationID)
		if ended += n; err != nil {
			return ended, err
		}
	}
}

func (s *Server) endForbiddenBatch(ctx context.Context, organizationID string) (ended int, err error) {
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		ended = 0
		rows, err := store.ListForbiddenRefreshTokens(tx, organizationID, refreshEndBatch)
		if err != nil {
			return err
		}
		for _, t := range rows {
			err := cloudapi.EndGrant(tx, t.GrantID)
			if errors.Is(err, iam.NotFound) { // another token of the same grant, just now
				continue
			}
			if err != nil {
				return err
			}
			ended++
		}
		if ended == 0 {
			return nil
		}
		return s.recordOperator(tx, "iam.credential.RevokeRefreshTokenForSubject", resource.Ref{Kind: resource.Organization, ID: organizationID},
			audit.Text("reason", "the organization's setting"), audit.Text("grants_ended", strconv.Itoa(ended)))
	})
	return ended, err
}

// cleanForbiddenRefreshTokens finishes what an operator has begun with a setting
// and could not end, because the server stopped or the database was away.
func (s *Server) cleanForbiddenRefreshTokens(ctx context.Context) error {
	var limiting []string
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		limiting, err = store.OrganizationsLimitingRefreshTokens(tx)
		return err
	})
	for _, id := range limiting {
		if err == nil {
			_, err = s.endForbiddenRefreshTokens(ctx, id)
		}
	}
	return err
}
