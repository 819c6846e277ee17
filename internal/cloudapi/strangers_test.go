package cloudapi_test

import (
	"fmt"
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
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

// To bind somebody from elsewhere shows no more of him than everybody sees.
func TestGuestsKeepTheirData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	guest := w.person(t, "guest", w.OrganizationID)
	w.bind(t, "org", w.home.OrganizationID, addUser("auditor", guest), add("auditor", w.ServiceAccountID))
	in := organizationContext(w.home.OrganizationID)
	ids := []string{guest, w.ServiceAccountID}
	got := call(t, w.owner, "subject.BatchGet", &iampb.BatchGetSubjectsRequest{SubjectIds: ids, ResourceContext: in}, new(iampb.BatchGetSubjectsResponse)).GetSubjects()
	list := call(t, w.owner, "subject.List", &iampb.ListSubjectsRequest{ResourceContext: in}, new(iampb.ListSubjectsResponse)).GetSubjects()
	got = append(got, list...)
	for _, s := range got {
		person, account := s.GetUserAccount(), s.GetServiceAccount()
		switch s.GetSub() {
		case guest:
			if person.GetPreferredUsername() != "guest" || person.GetEmail() != "" || s.GetName() != "guest" || s.GetCreatedAt() != nil {
				t.Errorf("a guest: %v", s)
			}
		case w.ServiceAccountID:
			if account.GetFolder() != nil || account.GetCloud() != nil || s.GetName() != "" || s.GetCreatedAt() != nil {
				t.Errorf("a foreign account: %v", s)
			}
		}
	}
	if n := len(got); n < 4 {
		t.Errorf("%d subjects", n)
	}
	hidden := call(t, w.owner, "subject.List", &iampb.ListSubjectsRequest{ResourceContext: in, Filter: `user_account.email == "guest@example.org"`}, new(iampb.ListSubjectsResponse))
	if len(hidden.GetSubjects()) != 0 {
		t.Errorf("found by what is not shown: %v", hidden)
	}
}
