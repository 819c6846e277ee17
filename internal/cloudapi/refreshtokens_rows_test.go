package cloudapi_test

import (
	"fmt"
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"
)

func init() {
	services["refreshToken"] = "yandex.cloud.iam.v1.RefreshTokenService"
	areaRows = append(areaRows, refreshTokenRows)
}

// Of somebody else's refresh tokens, whose owner is in the organization.
func refreshTokenRows(*world) []row {
	return []row{
		{"refreshToken.List", "UNDDDD+", func(t *testing.T, w *world, n int) proto.Message {
			return &iampb.ListRefreshTokensRequest{SubjectId: w.person(t, fmt.Sprintf("listed-%d", n), w.home.OrganizationID)}
		}},
		{"refreshToken.Revoke", "UNDDDD+", func(t *testing.T, w *world, n int) proto.Message {
			return &iampb.RevokeRefreshTokenRequest{Filter: &iampb.RevokeRefreshTokenRequest_RevokeFilter{
				RevokeFilter: &iampb.RevokeFilter{SubjectId: w.person(t, fmt.Sprintf("revoked-%d", n), w.home.OrganizationID)}}}
		}},
	}
}
