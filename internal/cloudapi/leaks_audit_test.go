package cloudapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/server"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const (
	detected = "iam.DetectLeakedCredential"
	revoked  = "iam.RevokeLeakedCredential"
)

// atHome checks that a line stands where the owner of an account looks.
func (w leakWorld) atHome(t *testing.T, l auditLine, accountID string) {
	t.Helper()
	var path []string
	for _, p := range l.Resource.Path {
		path = append(path, p.Type+" "+p.ID)
	}
	want := []string{"organization-manager.organization " + w.home.OrganizationID, "resource-manager.cloud " + w.home.CloudID,
		"resource-manager.folder " + w.home.FolderID, "iam.serviceAccount " + accountID}
	if d := cmp.Diff(want, path); d != "" {
		t.Errorf("%s: %s", l.EventType, d)
	}
	if l.Status != "DONE" || !l.Authentication.Authenticated || !l.Authorization.Authorized || l.Request.ID == "" {
		t.Errorf("line %s", l.raw)
	}
}

// The owner is told before the finder is: who, what, where, and no secret.
func TestOwnersHearOfLeaks(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	for name, s := range w.specimens(t) {
		before := len(w.audit(t.Context(), t, server.AuditListRequest{Type: detected}))
		told := func() []auditLine {
			t.Helper()
			// As the owner asks: by what the credential belongs to.
			lines := w.audit(t.Context(), t, server.AuditListRequest{Type: detected, Resource: s.accountID})
			if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: detected, Resource: w.home.OrganizationID})); n != before+len(lines) {
				t.Errorf("%s: %d lines of the organization, %d of the account, %d before", name, n, len(lines), before)
			}
			return lines
		}
		place := &propuskpb.Suspect{DataType: string(s.kind), Payload: s.text, Uri: "https://user:" + s.text[:30] + "@git.example/a?token=" + strings.Repeat("x", 40) + "#L7"}
		w.secret("token=" + strings.Repeat("x", 40))
		w.report(t, place)
		lines := told()
		if len(lines) != 1 {
			t.Fatalf("%s: %d lines", name, len(lines))
		}
		w.atHome(t, lines[0], s.accountID)
		if lines[0].Authentication.SubjectID != w.host.id {
			t.Errorf("%s: found by %s", name, lines[0].Authentication.SubjectID)
		}
		d := lines[0].Details
		id, _ := d["credential_id"].(string)
		want := map[string]any{"leak_source_id": hostID, "uri": "https://****@git.example/a?token=****#L7", "credential_type": string(s.kind),
			"credential_id": id, "masked_secret": leak.Mask(s.kind, s.text),
			"subject_id": s.accountID, "service_account_id": s.accountID, "service_account_name": d["service_account_name"]}
		if diff := cmp.Diff(want, d); diff != "" || s.id != "" && id != s.id || id == "" || !strings.HasPrefix(d["service_account_name"].(string), "leaking-") {
			t.Errorf("%s: %s", name, diff)
		}
		w.report(t, place, place)
		if n := len(told()); n != 1 {
			t.Errorf("%s: the same place is told of %d times", name, n)
		}
		w.report(t, suspect(s.kind, s.text))
		if n := len(told()); n != 2 {
			t.Errorf("%s: two places are told of %d times", name, n)
		}
		for range 2 {
			w.inspect(t, s.kind, s.text)
		}
		lines = told()
		if len(lines) != 3 || lines[2].Authentication.SubjectID != w.ServiceAccountID || lines[2].Details["leak_source_id"] != nil {
			t.Errorf("%s: an inspection: %d lines", name, len(lines))
		}
		w.report(t, suspect(s.kind, s.text[:len(s.text)-2]+"xx")) // no credential
		if n := len(told()); n != 3 {
			t.Errorf("%s: told of nothing", name)
		}
	}
}

// Who has asked about the public half of a key, which harms nobody, does not get
// the private one past its owner.
func TestOwnersHearOfTheOtherHalf(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	s := w.specimens(t)["authorized key"]
	for i, text := range []string{leak.PublicHalf(s.text), s.text} {
		w.inspect(t, s.kind, text)
		w.inspect(t, s.kind, text)
		lines := w.audit(t.Context(), t, server.AuditListRequest{Type: detected, Resource: s.accountID})
		if len(lines) != i+1 {
			t.Fatalf("%d lines, want %d", len(lines), i+1)
		}
		if shown := lines[i].Details["shown"]; (shown == "public key") != (i == 0) {
			t.Errorf("line %d: %v was shown", i, shown)
		}
	}
}

// A day later the same finding is news again: it is still there.
func TestOwnersHearOfLeaksAgain(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	k := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: w.newAccount(t, "leaking")})
	for i, days := range []int{0, 1, 0, 1} {
		w.clock.add(time.Duration(days) * 24 * time.Hour)
		if days > 0 {
			w.owner = w.exchange(t, []byte(w.home.KeyFile))
			w.host = w.impersonate(t, w.owner, w.host.id)
		}
		w.report(t, suspect(leak.AccessSecret, k.GetSecret()))
		if n, want := len(w.audit(t.Context(), t, server.AuditListRequest{Type: detected})), []int{1, 2, 2, 3}[i]; n != want {
			t.Errorf("report %d: %d lines, want %d", i, n, want)
		}
	}
}

func TestRevokedLeaksInAudit(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	for name, s := range w.specimens(t) {
		finding := &propuskpb.Finding{Type: string(s.kind), Payload: s.text}
		uri := "https://git.example/" + s.text[:min(len(s.text), 40)]
		by, who := w.stranger, w.ServiceAccountID
		if s.kind == leak.SessionToken { // which presigned addresses give away
			by, who = w.owner, w.home.ServiceAccountID
		}
		r := call(t, by, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding, Uri: uri}, new(propuskpb.RevokeLeakResponse))
		lines := w.audit(t.Context(), t, server.AuditListRequest{Type: revoked, Resource: s.accountID})
		if len(lines) != 1 {
			t.Fatalf("%s: %d lines", name, len(lines))
		}
		w.atHome(t, lines[0], s.accountID)
		d := lines[0].Details
		if lines[0].Authentication.SubjectID != who || d["credential_id"] != r.GetCredentialId() || d["credential_type"] != string(s.kind) ||
			d["masked_secret"] != leak.Mask(s.kind, s.text) || d["service_account_id"] != s.accountID || d["uri"] == nil || d["leak_source_id"] != nil {
			t.Errorf("%s: %s", name, lines[0].raw)
		}
		// What was not there to end is nothing that its owner reads.
		w.stranger.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, codes.NotFound, "nothing to revoke")
		if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: revoked, Resource: s.accountID})); n != 1 {
			t.Errorf("%s: %d lines after a second try", name, n)
		}
	}
	for _, event := range []string{detected, "iam.DeleteApiKey", "iam.DeleteAccessKey", "iam.DeleteKey"} {
		if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: event})); n != 0 {
			t.Errorf("%d lines of %s", n, event)
		}
	}
}
