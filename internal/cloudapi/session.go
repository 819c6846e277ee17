package cloudapi

import (
	"context"
	"slices"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

// MayEndSession asks whether the caller may end a temporary key: its subject
// and whoever it was made by may, and who may suspend the account. To hold the
// session token is not enough, as it stands in every presigned address, which
// is made to be given away. Others get PERMISSION_DENIED, or NOT_FOUND when they
// may not know the account.
func MayEndSession(ctx context.Context, s *temporary.Session) error {
	caller := token.Dependency{Kind: token.KindSubject, ID: string(gate.From(ctx).Caller().ID)}
	if slices.Contains(s.DependsOn, caller) || caller.ID == string(s.Subject.ID) {
		return nil
	}
	if s.Subject.Type != iam.TypeServiceAccount {
		return gate.Denied([]resource.Ref{{Kind: "iam.userAccount", ID: string(s.Subject.ID)}})
	}
	return gate.Require(ctx, "iam.serviceAccounts.suspend", resource.ServiceAccount, string(s.Subject.ID))
}
