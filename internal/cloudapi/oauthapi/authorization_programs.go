package oauthapi

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// mostShown is up to where live refresh tokens of a program are counted.
const mostShown = 1000

// ListPrograms pages through the programs that the caller has allowed to act for
// him, ordered by id.
func (s *AuthorizationService) ListPrograms(ctx context.Context, r *propuskpb.ListProgramsRequest) (*propuskpb.ListProgramsResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	l := cloudapi.List{Method: call.Rule.Method, Parent: userID, Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	var rows []*iam.OAuthConsent
	var live []int
	err = s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListOAuthConsents(tx, userID, store.Page{After: after, Limit: size + 1})
		live = make([]int, len(rows))
		for i := 0; i < len(rows) && err == nil; i++ {
			live[i], err = store.CountLiveRefreshTokens(tx, userID, rows[i].ClientID, mostShown)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &propuskpb.ListProgramsResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(c *iam.OAuthConsent) string { return c.ClientID })
	for i, row := range rows {
		client, err := s.Clients.Find(ctx, row.ClientID)
		if errors.Is(err, iam.NotFound) {
			continue // deleted just now
		}
		if err != nil {
			return nil, err
		}
		p, err := s.program(ctx, client, "")
		if err != nil {
			return nil, err
		}
		out.Programs = append(out.Programs, &propuskpb.AllowedProgram{Program: p, Scopes: row.Scopes, AllowedAt: timestamppb.New(row.CreatedAt),
			LastUsedAt: timestamppb.New(row.LastUsedAt), RefreshTokens: int64(live[i])})
	}
	return out, nil
}

// RemoveProgram forgets what the caller has allowed a program, and ends every
// token that was made of it. One that he has allowed nothing is NOT_FOUND.
func (s *AuthorizationService) RemoveProgram(ctx context.Context, r *propuskpb.RemoveProgramRequest) (*propuskpb.RemoveProgramResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	call.Note("client_id", r.GetClientId())
	return &propuskpb.RemoveProgramResponse{}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		if _, err := store.GetUserAccount(tx, userID); err != nil { // holds him: nothing is allowed meanwhile
			return err
		}
		unknown := store.DeleteOAuthConsent(tx, userID, r.GetClientId())
		if unknown != nil && !errors.Is(unknown, iam.NotFound) {
			return unknown
		}
		ended, err := cloudapi.EndGrants(tx, userID, r.GetClientId())
		if err == nil && ended == 0 {
			err = unknown
		}
		call.NoteDetail(audit.Text("grants_ended", strconv.Itoa(ended)))
		return err
	})
}
