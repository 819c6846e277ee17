package cloudapi_test

import (
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
)

// TestFarEndsLeaveTokensAlone: an end that no live token can reach ends none
// of them; one within their life does, by Update and by Suspend.
func TestFarEndsLeaveTokensAlone(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	id, key := w.keyed(t, w.home.FolderID, "planned")
	live := w.login(t, key)
	end := func(in time.Duration) {
		w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{
			ServiceAccountId: id, UpdateMask: masked("expires_at"), ExpiresAt: timestamppb.New(w.clock.now().Add(in))})
	}
	end(24 * time.Hour)
	alive(t, "an end behind its own", live)
	end(13 * time.Hour)
	alive(t, "moved nearer, still behind it", live)
	end(11 * time.Hour)
	dead(t, "before its own", "revoked", live)
	live = w.login(t, key)
	w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id, ExpiresAt: timestamppb.New(w.clock.now().Add(100 * time.Hour))})
	dead(t, "suspended, however far the end is", "revoked", live)
	w.owner.operate(t, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: id})
	dead(t, "a suspension has ended it for good", "revoked", live)
	alive(t, "made after the suspension", w.login(t, key))
}

// TestEndsAreTold: an account's end that comes has its audit line, once.
func TestEndsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	id := w.newAccount(t, "told")
	w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{
		ServiceAccountId: id, UpdateMask: masked("expires_at"), ExpiresAt: timestamppb.New(w.clock.now().Add(time.Minute))})
	w.clock.add(2 * time.Minute)
	count := func() int {
		return len(w.audit(t.Context(), t, server.AuditListRequest{Type: "propusk.ExpireServiceAccount"}))
	}
	for deadline := time.Now().Add(10 * time.Second); count() == 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(1200 * time.Millisecond) // the next look
	if n := count(); n != 1 {
		t.Errorf("%d audit lines", n)
	}
	// Suspended by its end, it can still be changed, suspended and deleted.
	for _, m := range []struct {
		method string
		req    proto.Message
	}{
		{"sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id}},
		{"sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: id, UpdateMask: masked("labels"), Labels: map[string]string{"a": "b"}}},
		{"sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: id}},
	} {
		w.owner.operate(t, m.method, m.req)
	}
	w.owner.refuse(t, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: id}, codes.NotFound, "")
}
