package cloudapi_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/server"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// TestLeaksOfPeople goes through the life of a leaked OAuth token, and of an
// IAM token that was made of it.
func TestLeaksOfPeople(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	const live, gone, dormant = propuskpb.Verdict_LIVE, propuskpb.Verdict_DEAD, propuskpb.Verdict_DORMANT
	carol := w.person(t, "carol", w.home.OrganizationID, w.OrganizationID)
	oauth := w.oauthToken(t, carol)
	user := w.asUser(t, oauth)
	if v := w.expect(t, "live", leak.OAuthToken, oauth.Secret, live, "CONFIRMED"); v.GetSubjectId() != carol || v.GetCredentialId() != oauth.ID {
		t.Errorf("%v, want %s of %s", v, oauth.ID, carol)
	}
	if v := w.expect(t, "an IAM token", leak.IAMToken, user.token, live, "CONFIRMED"); v.GetSubjectId() != carol {
		t.Errorf("%v, want one of %s", v, carol)
	}
	for what, text := range map[string]string{
		"half": oauth.Secret[:30], "its last character short": oauth.Secret[:57], "a character more": oauth.Secret + "A",
		"first character": flip(oauth.Secret, 3), "last character": flip(oauth.Secret, 57), "line break inside": oauth.Secret[:20] + "\n" + oauth.Secret[20:],
	} {
		w.expect(t, what, leak.OAuthToken, text, gone, "NOT_CONFIRMED")
	}
	w.expect(t, "as another kind", leak.APIKey, oauth.Secret, gone, "NOT_CONFIRMED")

	// Every organization that the person is in reads of it, whoever found it.
	var told []string
	for _, l := range w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.DetectLeakedCredential"}) {
		if l.Details["credential_id"] == oauth.ID && l.Details["leak_source_id"] == hostID {
			if len(l.Resource.Path) != 1 || l.Details["subject_id"] != carol || !strings.HasPrefix(l.Details["masked_secret"].(string), "y0_****") {
				t.Fatalf("told in %s", l.raw)
			}
			told = append(told, l.Resource.Path[0].ID)
		}
	}
	want := []string{w.home.OrganizationID, w.OrganizationID}
	slices.Sort(want)
	slices.Sort(told)
	if d := cmp.Diff(want, told); d != "" {
		t.Errorf("told organizations (-want +got):\n%s", d)
	}

	suspend := server.UserSuspendRequest{User: carol}
	if _, err := w.Server.Server.SuspendUser(t.Context(), suspend); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "of a suspended person", leak.OAuthToken, oauth.Secret, dormant, "CONFIRMED")
	w.expect(t, "an IAM token of a suspended person", leak.IAMToken, user.token, gone, "NOT_CONFIRMED")
	if _, err := w.Server.Server.ReactivateUser(t.Context(), suspend); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "of a reactivated person", leak.OAuthToken, oauth.Secret, live, "CONFIRMED")

	// Ended by a finder, it takes with it what was made of it.
	user = w.asUser(t, oauth)
	finding := &propuskpb.Finding{Type: string(leak.OAuthToken), Payload: oauth.Secret + "\n"}
	r := call(t, w.stranger, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, new(propuskpb.RevokeLeakResponse))
	if r.GetSubjectId() != carol || r.GetCredentialId() != oauth.ID {
		t.Errorf("ended %v", r)
	}
	dead(t, "made of an ended token", "The token has been revoked", user)
	w.expect(t, "ended", leak.OAuthToken, oauth.Secret, gone, "NOT_CONFIRMED")
	w.stranger.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, codes.NotFound, "nothing to revoke")

	of := w.oauthToken(t, carol)
	if _, err := w.Server.Server.RemoveUser(t.Context(), server.UserRemoveRequest{User: carol}); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "of a removed person", leak.OAuthToken, of.Secret, gone, "NOT_CONFIRMED")
	expired := w.oauthToken(t, w.person(t, "dave"))
	w.expect(t, "of somebody in no organization", leak.OAuthToken, expired.Secret, live, "CONFIRMED")
	w.clock.add(367 * 24 * time.Hour)
	w.owner = w.exchange(t, []byte(w.home.KeyFile))
	w.host, w.stranger = w.impersonate(t, w.owner, w.host.id), w.exchange(t, w.Key)
	w.expect(t, "expired", leak.OAuthToken, expired.Secret, gone, "NOT_CONFIRMED")
}
