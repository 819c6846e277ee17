package cloudapi_test

import (
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func init() {
	services["revocation"] = "propusk.v1.RevocationService"
	areaRows = append(areaRows, func(*world) []row {
		return []row{
			{"revocation.RevokeSubject", "UNDD+++", func(t *testing.T, w *world, _ int) proto.Message {
				return endSubject(w.anyAccount(t))
			}},
			{"revocation.RevokeCredential", "UNDD+++", func(t *testing.T, w *world, _ int) proto.Message {
				return endCredential(w.plantKey(t, w.anyAccount(t)))
			}},
			{"revocation.RevokeSession", "UNDD+++", func(t *testing.T, w *world, _ int) proto.Message {
				return &propuskpb.RevokeSessionRequest{SessionToken: w.ephemeral(t, w.owner).GetSessionToken()}
			}},
		}
	})
}

func endSubject(id string) proto.Message { return &propuskpb.RevokeSubjectRequest{SubjectId: id} }
func endCredential(id string) proto.Message {
	return &propuskpb.RevokeCredentialRequest{CredentialId: id}
}

// ephemeral makes a temporary access key of a caller.
func (w *world) ephemeral(t *testing.T, by *caller) *awspb.CreateEphemeralAccessKeyResponse {
	t.Helper()
	k := call(t, by, awspb.TemporaryAccessKeyService_CreateEphemeral_FullMethodName,
		&awspb.CreateEphemeralAccessKeyRequest{SessionName: "test"}, new(awspb.CreateEphemeralAccessKeyResponse))
	w.secret(k.GetSecret())
	w.secret(k.GetSessionToken())
	return k
}

func (w *world) revoke(t *testing.T, by *caller, method string, req proto.Message, subject string) {
	t.Helper()
	if r := call(t, by, "revocation."+method, req, new(propuskpb.RevokeResponse)); r.GetSubjectId() != subject {
		t.Errorf("%s: subject %s, want %s", method, r.GetSubjectId(), subject)
	}
}

func TestRevokeSubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, key := w.keyed(t, w.home.FolderID, "robot")
	robot, bystander := w.login(t, key), w.impersonate(t, w.owner, w.newAccount(t, "bystander"))
	api := call(t, w.owner, "apiKey.Create", &iampb.CreateApiKeyRequest{ServiceAccountId: id}, new(iampb.CreateApiKeyResponse))
	w.revoke(t, w.owner, "RevokeSubject", endSubject(id), id)
	dead(t, "ended by the owner", "The token has been revoked", robot)
	robot = w.login(t, key) // at once
	alive(t, "made afterwards", robot, bystander)
	robot.refuse(t, "revocation.RevokeSubject", endSubject(bystander.id), codes.PermissionDenied, "denied")
	w.revoke(t, robot, "RevokeSubject", endSubject(id), id)
	dead(t, "ended by itself", "The token has been revoked", robot)
	alive(t, "made afterwards", w.login(t, key), bystander)
	if k := call(t, w.owner, "apiKey.Get", &iampb.GetApiKeyRequest{ApiKeyId: api.GetApiKey().GetId()}, new(iampb.ApiKey)); k.GetId() == "" {
		t.Error("the API key is gone")
	}
	if n := w.countDone(t, "propusk.RevokeSubjectTokens", id); n != 2 {
		t.Errorf("%d audit lines of two revocations", n)
	}
}

// countDone counts the audit lines of a change that was made to a subject's tokens.
func (w *world) countDone(t *testing.T, event, subject string) (n int) {
	t.Helper()
	for _, l := range w.audit(t.Context(), t, server.AuditListRequest{Type: event}) {
		if l.Status == "DONE" && l.Details["subject_id"] == subject {
			n++
		}
	}
	return n
}

// TestRevokeSubjectIsHidden: what does not exist, is no subject that has tokens
// or is none of the caller's business looks alike.
func TestRevokeSubjectIsHidden(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	foreigner, lonely := w.person(t, "foreigner", w.OrganizationID), w.person(t, "lonely")
	gone := w.newAccount(t, "gone")
	w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: gone})
	for _, id := range []string{"ajenever0000000000000", w.ServiceAccountID, foreigner, lonely, gone, w.home.FolderID, w.newGroup(t, "crowd", ""), "allUsers"} {
		a := w.owner.refuse(t, "revocation.RevokeSubject", endSubject(id), codes.NotFound, "Subject "+id+" not found")
		if len(a.details) != 1 {
			t.Errorf("%s: %v", id, a.details)
		}
	}
	// A person ends his own, wherever he belongs.
	person := asPerson(lonely)
	w.revoke(t, person, "RevokeSubject", endSubject(lonely), lonely)
	dead(t, "ended by himself", "The token has been revoked", person)
}

func TestRevokeSubjectOfAPerson(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	ours, both := w.person(t, "ours", w.home.OrganizationID), w.person(t, "both", w.home.OrganizationID, w.OrganizationID)
	one, two := asPerson(ours), asPerson(both)
	w.robot(t, "admin", "admin").refuse(t, "revocation.RevokeSubject", endSubject(ours), codes.PermissionDenied, "denied")
	// The other organization has a say too, and is not named.
	a := w.owner.refuse(t, "revocation.RevokeSubject", endSubject(both), codes.PermissionDenied, "Permission to [")
	if strings.Contains(a.message, w.OrganizationID) {
		t.Errorf("tells of another organization: %s", a.message)
	}
	alive(t, "before", one, two)
	w.revoke(t, w.owner, "RevokeSubject", endSubject(ours), ours)
	dead(t, "ended by the organization's owner", "The token has been revoked", one)
	alive(t, "of another", two, asPerson(ours))
	w.bind(t, "org", w.home.OrganizationID, add("organization-manager.passportUserAdmin", w.AdminID))
	w.revoke(t, w.exchange(t, w.AdminKey), "RevokeSubject", endSubject(both), both)
	dead(t, "ended by who may in both", "The token has been revoked", two)
}

func TestRevokeCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, key := w.keyed(t, w.home.FolderID, "robot")
	second := call(t, w.owner, "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: id}, new(iampb.CreateKeyResponse))
	first, other := w.login(t, key), w.login(t, second)
	w.revoke(t, w.owner, "RevokeCredential", endCredential(key.GetKey().GetId()), id)
	dead(t, "made with the key", "The token has been revoked", first)
	alive(t, "made with another key, or afterwards", other, w.login(t, key))

	static := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: id})
	w.revoke(t, w.owner, "RevokeCredential", endCredential(static.GetAccessKey().GetId()), id)
	api := call(t, w.owner, "apiKey.Create", &iampb.CreateApiKeyRequest{ServiceAccountId: id}, new(iampb.CreateApiKeyResponse))
	w.owner.refuse(t, "revocation.RevokeCredential", endCredential(api.GetApiKey().GetId()), codes.FailedPrecondition, "delete it")

	// The right to delete one kind of key is none over another.
	staticAdmin := w.robot(t, "static-admin", "iam.serviceAccounts.accessKeyAdmin")
	w.revoke(t, staticAdmin, "RevokeCredential", endCredential(static.GetAccessKey().GetId()), id)
	staticAdmin.refuse(t, "revocation.RevokeCredential", endCredential(key.GetKey().GetId()), codes.PermissionDenied, "denied")
	staticAdmin.refuse(t, "revocation.RevokeCredential", endCredential(api.GetApiKey().GetId()), codes.PermissionDenied, "denied")
	foreign := w.plantKey(t, w.ServiceAccountID)
	for _, no := range []string{"ajenever0000000000000", foreign, id, static.GetAccessKey().GetKeyId(), w.plantAPIKey(t, w.ServiceAccountID)} {
		w.owner.refuse(t, "revocation.RevokeCredential", endCredential(no), codes.NotFound, "Key "+no+" not found")
	}
	w.owner.refuse(t, "revocation.RevokeCredential", endCredential(static.GetAccessKey().GetKeyId()), codes.NotFound, "the key's own id is expected")
}

func TestRevokeSession(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	k, stranger := w.ephemeral(t, w.owner), w.exchange(t, w.Key)
	end := func(text string) proto.Message { return &propuskpb.RevokeSessionRequest{SessionToken: text} }
	stranger.refuse(t, "revocation.RevokeSession", end(k.GetSessionToken()), codes.NotFound, "not found")
	tried := w.audit(t.Context(), t, server.AuditListRequest{Type: "propusk.RevokeSession"})
	if len(tried) != 1 || tried[0].Status != "ERROR" || tried[0].Authentication.SubjectID != w.ServiceAccountID ||
		tried[0].Details["access_key_id"] != k.GetAccessKeyId() || tried[0].Details["session_id"] == nil {
		t.Errorf("audit lines of a refusal: %v", tried)
	}
	for range 2 { // twice is as good as once
		w.revoke(t, w.owner, "RevokeSession", end(k.GetSessionToken()), w.home.ServiceAccountID)
	}
	text := k.GetSessionToken()
	for what, bad := range map[string]string{
		"garbage": "s1.garbage.garbage", "an IAM token": w.owner.token, "truncated": text[:len(text)-1], "altered": flip(text, len(text)/2),
		"with a blank": text + " ", "a secret": k.GetSecret(),
	} {
		a := w.owner.refuse(t, "revocation.RevokeSession", end(w.secret(bad)), codes.InvalidArgument, "")
		if f := a.fields(); len(f) != 1 || f[0] != "session_token" {
			t.Errorf("%s: %s", what, a.message)
		}
	}
	if n := w.countDone(t, "propusk.RevokeSession", w.home.ServiceAccountID); n != 1 {
		t.Errorf("%d audit lines of one session's end", n)
	}
	late := w.ephemeral(t, w.owner)
	w.clock.add(13 * time.Hour)
	w.revoke(t, w.exchange(t, []byte(w.home.KeyFile)), "RevokeSession", end(late.GetSessionToken()), w.home.ServiceAccountID)
	if n := w.countDone(t, "propusk.RevokeSession", w.home.ServiceAccountID); n != 1 {
		t.Errorf("%d audit lines: to end what has ended changes nothing", n)
	}
}

// A person who joins another organization while his tokens are being ended is
// decided about again.
func TestRevokeSubjectOfAPersonWhoMoves(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	id := w.person(t, "mover", w.home.OrganizationID)
	token := asPerson(id)
	for i := range 20 {
		joined := make(chan error)
		go func() {
			joined <- w.Server.Server.DB().Update(t.Context(), func(tx *store.Tx) error {
				_, err := store.AddMember(tx, w.OrganizationID, iam.SubjectID(id))
				return err
			})
		}()
		a := w.owner.do(t, "revocation.RevokeSubject", endSubject(id), new(propuskpb.RevokeResponse))
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
		switch a.code {
		case codes.OK: // before he had joined
			dead(t, "ended", "revoked", token)
		case codes.PermissionDenied:
			alive(t, "refused", token)
		default:
			t.Errorf("%d: %v %s", i, a.code, a.message)
		}
		w.owner.refuse(t, "revocation.RevokeSubject", endSubject(id), codes.PermissionDenied, "denied")
		w.update(t, func(tx *store.Tx) error {
			_, err := store.RemoveMember(tx, w.OrganizationID, iam.SubjectID(id))
			return err
		})
		token = asPerson(id)
	}
}
