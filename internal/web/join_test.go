package web_test

import (
	"testing"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Who cannot be a member, because the organization is full, is not told to try again.
func TestJoiningAFullOrganization(t *testing.T) {
	b := newBrowser(t)
	b.town.fails[propuskpb.JoinService_AcceptInvitation_FullMethodName] = &iam.Error{Kind: iam.ResourceExhausted, Message: "Quota exceeded",
		Quota: &iam.QuotaViolation{Metric: "organization-manager.memberships.count", Limit: 1, Usage: 1, Required: 2}}
	b.send(b.open("/join?invitation="+goodInvitation), "/join", newcomer("carol", "Carol", joinPassword)...).
		wants(t, 429, "The organization has no room for more people.", `value="carol"`)
}
