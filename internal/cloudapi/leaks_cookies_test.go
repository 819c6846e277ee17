package cloudapi_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// TestLeaksOfCookies goes through the life of a leaked session cookie.
func TestLeaksOfCookies(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	const live, gone = propuskpb.Verdict_LIVE, propuskpb.Verdict_DEAD
	carol := w.person(t, "carol", w.home.OrganizationID)
	begin := func() (text, id string) {
		cookie, lookup := credential.NewSessionCookie()
		id = resource.NewID(resource.PrefixIAM)
		w.update(t, func(tx *store.Tx) error {
			return store.InsertSession(tx, &iam.Session{ID: id, UserID: carol, Lookup: lookup, CreatedAt: tx.Now(), LastSeenAt: tx.Now(), ExpiresAt: tx.Now().Add(7 * 24 * time.Hour)})
		})
		return cookie.Reveal(), id
	}
	text, id := begin()
	if v := w.expect(t, "live", leak.IAMCookie, text, live, "CONFIRMED"); v.GetSubjectId() != carol || v.GetCredentialId() != id {
		t.Errorf("%v, want %s of %s", v, id, carol)
	}
	never, _ := credential.NewSessionCookie()
	w.expect(t, "of no session", leak.IAMCookie, never.Reveal(), gone, "NOT_CONFIRMED")
	w.expect(t, "cut short", leak.IAMCookie, text[:len(text)-1], gone, "NOT_CONFIRMED")

	finding := &propuskpb.Finding{Type: string(leak.IAMCookie), Payload: text + "\n"}
	r := call(t, w.stranger, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, new(propuskpb.RevokeLeakResponse))
	if r.GetSubjectId() != carol || r.GetCredentialId() != id {
		t.Errorf("ended %v", r)
	}
	w.expect(t, "ended", leak.IAMCookie, text, gone, "NOT_CONFIRMED")
	w.stranger.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, codes.NotFound, "nothing to revoke")

	idle, _ := begin()
	w.clock.add(13 * time.Hour)
	w.owner = w.exchange(t, []byte(w.home.KeyFile))
	w.host, w.stranger = w.impersonate(t, w.owner, w.host.id), w.exchange(t, w.Key)
	w.expect(t, "not used for long", leak.IAMCookie, idle, gone, "NOT_CONFIRMED")

	text, _ = begin()
	if _, err := w.Server.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: carol}); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "of a suspended person", leak.IAMCookie, text, gone, "NOT_CONFIRMED")
}
