package iam

import (
	"context"
	"errors"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

const (
	listRefreshTokens   iam.Permission = "iam.refreshTokens.list"
	revokeRefreshTokens iam.Permission = "iam.refreshTokens.revoke"
)

// RefreshTokenRules are the rows of RefreshTokenService.
var RefreshTokenRules = gate.Rules("yandex.cloud.iam.v1.RefreshTokenService",
	gate.Rule{Method: "List", Why: "one's own, otherwise asks for iam.refreshTokens.list on an organization of the person"},
	gate.Rule{Method: "Revoke", Why: "one's own or one that the caller shows, otherwise asks for iam.refreshTokens.revoke on an organization of the person",
		Effect: gate.Changes, Event: "iam.credential.RevokeRefreshTokenForSubject"},
)

// RefreshTokenService is yandex.cloud.iam.v1.RefreshTokenService.
type RefreshTokenService struct {
	iampb.UnimplementedRefreshTokenServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	// Lookup is by what the row of a token is found that somebody shows; false for
	// a text that is none.
	Lookup func(text string) (lookup string, ok bool)
}

// List pages through a person's refresh tokens: the caller's own by default. An
// expired one is listed until it is forgotten, a replaced one is not.
func (s *RefreshTokenService) List(ctx context.Context, r *iampb.ListRefreshTokensRequest) (*iampb.ListRefreshTokensResponse, error) {
	filter, err := refreshTokenFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	userID, err := s.subject(ctx, listRefreshTokens, r.GetSubjectId())
	if err != nil {
		return nil, err
	}
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: userID, Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	page, next, err := cloudapi.PageByID(ctx, s.DB, s.Pages, l, func(tx *store.Tx, userID string, p store.Page) ([]*iam.RefreshToken, error) {
		return store.ListRefreshTokens(tx, userID, filter, p)
	}, refreshTokenProto)
	return &iampb.ListRefreshTokensResponse{RefreshTokens: page, NextPageToken: next}, err
}

// Revoke ends refresh tokens with everything that was made of them, and of the
// same permission before them: without any choice all of the caller's. Whoever
// shows a token may end it.
func (s *RefreshTokenService) Revoke(ctx context.Context, r *iampb.RevokeRefreshTokenRequest) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	userID, tokens, err := s.chosen(ctx, r)
	if errors.Is(err, iam.NotFound) { // perhaps by an equal call before
		m, replayErr := s.Changes.Replay(ctx, call)
		if op, ok := m.(*operationpb.Operation); ok && replayErr == nil {
			return op, nil
		}
	}
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(tokens))
	for i, t := range tokens {
		ids[i] = t.ID
	}
	call.Note("subject_id", userID)
	call.NoteDetail(audit.Texts("refresh_token_ids", ids...))
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: userID, Description: "Revoke refresh tokens",
		Metadata: &iampb.RevokeRefreshTokenMetadata{SubjectId: userID, RefreshTokenIds: ids},
	}, func(tx *store.Tx) (proto.Message, error) {
		ended := map[string]bool{}
		for _, t := range tokens {
			if ended[t.GrantID] {
				continue
			}
			ended[t.GrantID] = true
			if err := cloudapi.EndGrant(tx, t.GrantID); err != nil && !errors.Is(err, iam.NotFound) { // ended meanwhile
				return nil, err
			}
		}
		return &iampb.RevokeRefreshTokenResponse{RefreshTokenIds: ids}, nil
	})
}

// chosen are the tokens that a request speaks of, all of one person.
func (s *RefreshTokenService) chosen(ctx context.Context, r *iampb.RevokeRefreshTokenRequest) (string, []*iam.RefreshToken, error) {
	switch by := r.GetFilter().(type) {
	case *iampb.RevokeRefreshTokenRequest_RefreshTokenId:
		t, err := s.find(ctx, func(tx *store.Tx) (*iam.RefreshToken, error) { return store.GetRefreshToken(tx, by.RefreshTokenId) })
		if err != nil {
			return "", nil, err
		}
		missing := iam.Errorf(iam.NotFound, "Refresh token %s not found", by.RefreshTokenId)
		return t.UserID, []*iam.RefreshToken{t}, s.may(ctx, revokeRefreshTokens, t.UserID, missing)
	case *iampb.RevokeRefreshTokenRequest_RefreshToken:
		lookup, ok := s.Lookup(by.RefreshToken)
		if !ok {
			return "", nil, iam.InvalidField("refresh_token", "this is no refresh token, or it was cut short")
		}
		t, err := s.find(ctx, func(tx *store.Tx) (*iam.RefreshToken, error) { return store.FindRefreshToken(tx, lookup) })
		if err != nil {
			return "", nil, err
		}
		return t.UserID, []*iam.RefreshToken{t}, nil
	}
	f := r.GetRevokeFilter()
	userID, err := s.subject(ctx, revokeRefreshTokens, f.GetSubjectId())
	if err != nil {
		return "", nil, err
	}
	tokens, err := s.all(ctx, userID, store.RefreshTokenFilter{ClientID: f.GetClientId(), ClientInfo: f.GetClientInstanceInfo()})
	return userID, tokens, err
}

func (s *RefreshTokenService) find(ctx context.Context, read func(tx *store.Tx) (*iam.RefreshToken, error)) (t *iam.RefreshToken, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		t, err = read(tx)
		return err
	})
	return t, err
}

// all reads every token of a person that a filter lets pass.
func (s *RefreshTokenService) all(ctx context.Context, userID string, f store.RefreshTokenFilter) (out []*iam.RefreshToken, err error) {
	const some = 1000
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		out = nil
		for after := ""; ; {
			page, err := store.ListRefreshTokens(tx, userID, f, store.Page{After: after, Limit: some})
			if err != nil {
				return err
			}
			if out = append(out, page...); len(page) < some {
				return nil
			}
			after = page[some-1].ID
		}
	})
	return out, err
}

// subject is the person whose tokens a request is about: the caller unless it
// names somebody else, whose the caller then may deal with.
func (s *RefreshTokenService) subject(ctx context.Context, what iam.Permission, id string) (string, error) {
	caller := string(gate.From(ctx).Caller().ID)
	if id == "" || id == caller {
		return caller, nil
	}
	return id, s.may(ctx, what, id, iam.Errorf(iam.NotFound, "User account %s not found", id))
}

// may asks for a permission on one of the organizations that a person is a
// member of. Who has to do with none of them learns as much as of a person that
// there is not.
func (s *RefreshTokenService) may(ctx context.Context, what iam.Permission, userID string, missing error) error {
	if userID == string(gate.From(ctx).Caller().ID) {
		return nil
	}
	var organizations []string
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		organizations, err = store.OrganizationsOf(tx, iam.SubjectID(userID))
		return err
	})
	if err != nil {
		return err
	}
	known := ""
	for _, id := range organizations {
		allowed, err := gate.Allows(ctx, what, id)
		if err != nil {
			return err
		}
		if allowed {
			return gate.Require(ctx, what, resource.Organization, id)
		}
		knows, err := gate.Knows(ctx, id)
		if err != nil {
			return err
		}
		if knows && known == "" {
			known = id
		}
	}
	if known == "" {
		return missing
	}
	return gate.Require(ctx, what, resource.Organization, known) // which refuses it as everywhere
}

var protectionLevels = map[iam.ProtectionLevel]iampb.RefreshToken_ProtectionLevel{
	iam.NoProtection:    iampb.RefreshToken_NO_PROTECTION,
	iam.InsecureKeyDPoP: iampb.RefreshToken_INSECURE_KEY_DPOP,
	iam.SecureKeyDPoP:   iampb.RefreshToken_SECURE_KEY_DPOP,
}

func refreshTokenProto(t *iam.RefreshToken) *iampb.RefreshToken {
	return &iampb.RefreshToken{Id: t.ID, ClientInstanceInfo: t.ClientInfo, ClientId: t.ClientID, SubjectId: t.UserID,
		CreatedAt: cloudapi.Time(t.CreatedAt), ExpiresAt: cloudapi.Time(t.ExpiresAt), LastUsedAt: cloudapi.Time(t.LastUsedAt),
		ProtectionLevel: protectionLevels[t.Protection]}
}
