package cloudapi_test

import (
	"fmt"
	"testing"

	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/grpc/codes"
)

// A stranger learns nothing by leaving an organization that he is not in, be it
// with an idempotency key.
func TestStrangersLeaveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := w.exchange(t, w.Key)
	for i, id := range []string{w.home.OrganizationID, "bpfnever0000000000000", w.home.CloudID} {
		stranger.refuse(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: id}, codes.NotFound,
			"Organization "+id+" not found", "idempotency-key", fmt.Sprint("key-", i))
	}
}
