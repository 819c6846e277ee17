package server

import (
	"context"
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/gate"
)

// oauthClientArea is programs that sign people in, and their secrets.
var oauthClientArea = area{
	rules: slices.Concat(iamapi.OAuthClientRules, iamapi.OAuthClientSecretRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		iampb.RegisterOAuthClientServiceServer(r, &iamapi.OAuthClientService{DB: s.db, Changes: k.changes, Pages: k.pages})
		iampb.RegisterOAuthClientSecretServiceServer(r, &iamapi.OAuthClientSecretService{DB: s.db, Changes: k.changes, Pages: k.pages})
	},
}

func (s *Server) folderOfOAuthClient(ctx context.Context, id string) (string, error) {
	c, err := s.replica.OAuthClient(ctx, id)
	if err != nil {
		return "", err
	}
	return c.FolderID, nil
}

func (s *Server) folderOfOAuthClientSecret(ctx context.Context, id string) (string, error) {
	k, err := s.replica.OAuthClientSecret(ctx, id)
	if err != nil {
		return "", err
	}
	return s.folderOfOAuthClient(ctx, k.OAuthClientID)
}
