package web_test

import (
	"testing"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Whose answer was lost on the way, and who sends the form again from another
// network, is told that it has counted, and may answer anew.
func TestAnAnswerFromAnotherPlace(t *testing.T) {
	b := newStaying(t, "alice")
	b.town.fails[propuskpb.AuthorizationService_Allow_FullMethodName] = iam.InvalidField("idempotency-key", "was used with another request of this method")
	b.send(b.open(asking(reports)), asking(reports), "answer", "allow").wants(t, 409, "You have already answered")
	delete(b.town.fails, propuskpb.AuthorizationService_Allow_FullMethodName)
	if q := b.send(b.open(asking(reports)), asking(reports), "answer", "allow").leads(t, app); q.Get("code") == "" {
		t.Errorf("answered anew: %v", q)
	}
}
