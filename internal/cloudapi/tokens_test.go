package cloudapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/token"
)

// keyed is an account with a key file of its own, in a folder.
func (w *world) keyed(t *testing.T, folder, name string) (id string, key *iampb.CreateKeyResponse) {
	t.Helper()
	id = w.owner.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: folder, Name: name})
	key = call(t, w.owner, "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: id}, new(iampb.CreateKeyResponse))
	return id, key
}

func (w *world) login(t *testing.T, key *iampb.CreateKeyResponse) *caller {
	t.Helper()
	return w.exchange(t, keyFileOf(t, key))
}

func alive(t *testing.T, what string, callers ...*caller) {
	t.Helper()
	for _, c := range callers {
		if a := c.do(t, "cloud.List", &rmpb.ListCloudsRequest{}, new(rmpb.ListCloudsResponse)); a.code != codes.OK {
			t.Errorf("%s: %v %s, want a live token", what, a.code, a.message)
		}
	}
}

func dead(t *testing.T, what, text string, callers ...*caller) {
	t.Helper()
	for _, c := range callers {
		a := c.do(t, "cloud.List", &rmpb.ListCloudsRequest{}, new(rmpb.ListCloudsResponse))
		if a.code != codes.Unauthenticated || !strings.Contains(a.message, text) {
			t.Errorf("%s: %v %q, want UNAUTHENTICATED with %q", what, a.code, a.message, text)
		}
	}
}

func impersonation(id string) proto.Message {
	return &iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id}
}

// TestDerivedTokens: what is made by way of a token ends with everything that
// the token rests on, and no later than it.
func TestDerivedTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, end := range []struct {
		what string
		do   func(t *testing.T, w *world, middle string, key *iampb.CreateKeyResponse, c *caller)
	}{
		{"revoking the caller's token", func(t *testing.T, w *world, _ string, _ *iampb.CreateKeyResponse, c *caller) {
			r := call(t, w.owner, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: c.token}, new(iampb.RevokeIamTokenResponse))
			if r.GetSubjectId() == "" {
				t.Error("Revoke does not say whose token it was")
			}
		}},
		{"deleting the caller's key", func(t *testing.T, w *world, _ string, key *iampb.CreateKeyResponse, _ *caller) {
			w.owner.operate(t, "key.Delete", &iampb.DeleteKeyRequest{KeyId: key.GetKey().GetId()})
		}},
		{"suspending the caller", func(t *testing.T, w *world, id string, _ *iampb.CreateKeyResponse, _ *caller) {
			w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id})
		}},
		{"deleting the caller", func(t *testing.T, w *world, id string, _ *iampb.CreateKeyResponse, _ *caller) {
			w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: id})
		}},
		{"deleting the caller's folder", func(t *testing.T, w *world, id string, _ *iampb.CreateKeyResponse, _ *caller) {
			a := call(t, w.owner, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: id}, new(iampb.ServiceAccount))
			w.owner.operate(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: a.GetFolderId(), DeleteAfter: timestamppb.New(past)})
		}},
	} {
		w.owner = w.exchange(t, []byte(w.home.KeyFile))
		name := fmt.Sprintf("%d", i)
		id, key := w.keyed(t, w.newFolder(t, "middle-"+name), "middle-"+name)
		target := w.newAccount(t, "target-"+name)
		w.bind(t, "folder", w.home.FolderID, add("iam.serviceAccounts.tokenCreator", id))
		middle := w.login(t, key)
		derived := w.impersonate(t, middle, target)
		w.bind(t, "sa", target, add("iam.serviceAccounts.tokenCreator", target))
		twice := w.impersonate(t, derived, target)
		alive(t, "before", middle, derived, twice)
		end.do(t, w, id, key, middle)
		dead(t, "after "+end.what, "", middle, derived, twice)
		alive(t, "after "+end.what, w.owner, w.impersonate(t, w.owner, target))
	}
}

func TestDerivedTokensAreShorter(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	target, short := w.newAccount(t, "target"), w.newAccount(t, "short")
	ends := w.clock.now().Add(time.Hour).Truncate(time.Second)
	w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: short, UpdateMask: masked("expires_at"), ExpiresAt: timestamppb.New(ends)})
	whole := call(t, w.withToken(t, ""), "token.Create", jwtRequest(t, w), new(iampb.CreateIamTokenResponse))
	if life := whole.GetExpiresAt().AsTime().Sub(w.clock.now()); life > 12*time.Hour || life < 12*time.Hour-time.Minute {
		t.Errorf("a token of a JWT lives %v, want 43,200 s", life)
	}
	w.clock.add(2 * time.Hour)
	ownerEnds := claims(t, w.owner.token).ExpiresAt
	first := call(t, w.owner, "token.CreateForServiceAccount", impersonation(target), new(iampb.CreateIamTokenResponse))
	if got := first.GetExpiresAt().AsTime(); !got.Equal(ownerEnds) {
		t.Errorf("a derived token ends at %v, want with its parent at %v", got, ownerEnds)
	}
	w.clock.add(-2 * time.Hour)
	if got := call(t, w.owner, "token.CreateForServiceAccount", impersonation(short), new(iampb.CreateIamTokenResponse)).GetExpiresAt().AsTime(); !got.Equal(ends) {
		t.Errorf("a token of an account that expires at %v ends at %v", ends, got)
	}
	derived := w.withToken(t, w.secret(first.GetIamToken()))
	w.clock.add(12*time.Hour + time.Second)
	dead(t, "12 hours later", "The token has expired", w.owner, derived)
}

func claims(t *testing.T, text string) *token.Claims {
	t.Helper()
	c, err := token.ParseUnverified(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChainOfImpersonation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.owner
	var deepest string
	for i := range 10 {
		id := w.newAccount(t, "link-"+string(rune('a'+i)))
		w.bind(t, "folder", w.home.FolderID, add("iam.serviceAccounts.tokenCreator", id))
		a := at.do(t, "token.CreateForServiceAccount", impersonation(id), new(iampb.CreateIamTokenResponse))
		if a.code == codes.FailedPrecondition {
			if !strings.Contains(a.message, "chain of impersonation is too deep") {
				t.Errorf("link %d: %s", i, a.message)
			}
			deepest = id
			break
		}
		at = w.impersonate(t, at, id)
		got := at.do(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: "no"}, new(operationpb.Operation))
		for _, l := range w.auditByRequest(t)[got.requestID] {
			if l.Authentication.SubjectID != id || l.Authentication.TokenInfo.ImpersonatorID == "" {
				t.Errorf("the line of an impersonated caller does not tell who: %s", l.raw)
			}
		}
	}
	if deepest == "" {
		t.Error("a chain of 10 impersonations has no end")
	}
	alive(t, "the last link that there was", at)
	w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: w.newAccount(t, "unrelated")})
	alive(t, "after an unrelated suspension", at)
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	stranger := w.exchange(t, w.Key)
	robot := w.robot(t, "robot")
	revoke := func(c *caller, text string) (string, answer) {
		r := new(iampb.RevokeIamTokenResponse)
		a := c.do(t, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: text}, r)
		return r.GetSubjectId(), a
	}
	for range 2 { // anyone who holds it may, and twice is as good as once
		if subject, a := revoke(stranger, robot.token); a.code != codes.OK || subject != robot.id {
			t.Errorf("Revoke: %v %s, subject %s, want %s", a.code, a.message, subject, robot.id)
		}
	}
	dead(t, "revoked", "The token has been revoked", robot)
	if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.RevokeIamToken"})); n != 1 {
		t.Errorf("%d audit lines of one revocation", n)
	}
	for what, text := range map[string]string{
		"garbage": "t1.garbage.garbage", "nothing like it": "hello", "a JWT": jwtRequest(t, w).GetJwt(),
		"bit-flipped": flip(w.owner.token, len(w.owner.token)-40), "truncated": w.owner.token[:len(w.owner.token)-1], "with a blank": " " + w.owner.token,
	} {
		if _, a := revoke(w.owner, w.secret(text)); a.code != codes.InvalidArgument || !strings.HasPrefix(a.message, "iam_token: ") {
			t.Errorf("Revoke of a token %s: %v %q", what, a.code, a.message)
		}
	}
	if _, a := revoke(w.owner, strings.Repeat("t", 4097)); a.code != codes.InvalidArgument {
		t.Errorf("Revoke of 4097 characters: %v", a.code)
	}
	if _, a := revoke(w.owner, ""); a.code != codes.InvalidArgument {
		t.Errorf("Revoke of nothing: %v", a.code)
	}
	// Itself, as the documentation shows it; then it proves nobody any more.
	if _, a := revoke(w.owner, w.owner.token); a.code != codes.OK {
		t.Errorf("revoking itself: %v %s", a.code, a.message)
	}
	if _, a := revoke(w.owner, w.owner.token); a.code != codes.Unauthenticated {
		t.Errorf("a revoked token revokes: %v", a.code)
	}
	old := w.exchange(t, w.AdminKey)
	w.clock.add(12*time.Hour + time.Minute)
	if subject, a := revoke(w.exchange(t, w.Key), old.token); a.code != codes.OK || subject != w.AdminID {
		t.Errorf("Revoke of an expired token: %v %s, subject %s", a.code, a.message, subject)
	}
}

func TestSuspension(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, key := w.keyed(t, w.home.FolderID, "sleeper")
	status := func() iampb.ServiceAccount_Status {
		return call(t, w.owner, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: id}, new(iampb.ServiceAccount)).GetStatus()
	}
	direct, derived := w.login(t, key), w.impersonate(t, w.owner, id)
	suspend := &iampb.SuspendServiceAccountRequest{ServiceAccountId: id, Reason: "on leave"}
	w.owner.operate(t, "sa.Suspend", suspend)
	dead(t, "suspended", "", direct, derived)
	if status() != iampb.ServiceAccount_SUSPENDED {
		t.Errorf("status %v after Suspend", status())
	}
	w.owner.refuse(t, "token.CreateForServiceAccount", impersonation(id), codes.FailedPrecondition, "suspended")
	refuseLogin(t, w, key, "is suspended")
	w.owner.operate(t, "sa.Suspend", suspend) // again is no error
	w.owner.operate(t, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: id})
	w.owner.operate(t, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: id})
	if status() != iampb.ServiceAccount_ACTIVE {
		t.Errorf("status %v after Reactivate", status())
	}
	dead(t, "made before the suspension", "The token has been revoked", direct, derived)
	alive(t, "made after the reactivation", w.login(t, key), w.impersonate(t, w.owner, id))
	w.owner.refuse(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id, Reason: strings.Repeat("r", 257)}, codes.InvalidArgument, "reason")
}

func refuseLogin(t *testing.T, w *world, key *iampb.CreateKeyResponse, text string) {
	t.Helper()
	req := &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: w.jwt(t, keyFileOf(t, key))}}
	w.withToken(t, "").refuse(t, "token.Create", req, codes.Unauthenticated, text)
}

// TestExpiryOfAccounts: expires_at suspends by itself; Reactivate does not move
// it; moving it does reactivate; shortening it ends tokens that would outlive it.
func TestExpiryOfAccounts(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(w.clock.now().Add(d)) }
	id, key := w.keyed(t, w.home.FolderID, "mortal")
	expires := func(ts *timestamppb.Timestamp) {
		w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: id, UpdateMask: masked("expires_at"), ExpiresAt: ts})
	}
	expect := func(what string, want iampb.ServiceAccount_Status) {
		t.Helper()
		if got := call(t, w.owner, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: id}, new(iampb.ServiceAccount)).GetStatus(); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	long := w.login(t, key)
	expires(at(2 * time.Hour))
	dead(t, "made when the account had no end", "revoked", long)
	mid := w.login(t, key)
	expires(at(3 * time.Hour)) // later: the token keeps its own end
	alive(t, "after the end has moved away", mid)
	w.clock.add(2*time.Hour + time.Minute)
	dead(t, "its own end", "expired", mid)
	expect("before its end", iampb.ServiceAccount_ACTIVE)
	last := w.login(t, key)
	w.clock.add(time.Hour)
	expect("after its end", iampb.ServiceAccount_SUSPENDED)
	dead(t, "the account's end", "expired", last)
	refuseLogin(t, w, key, "has expired")
	w.owner.refuse(t, "token.CreateForServiceAccount", impersonation(id), codes.FailedPrecondition, "suspended")
	w.owner.operate(t, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: id})
	expect("reactivated, not moved", iampb.ServiceAccount_SUSPENDED)
	expires(at(time.Hour))
	expect("moved", iampb.ServiceAccount_ACTIVE)
	alive(t, "after moving", w.login(t, key))
	w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id, ExpiresAt: at(30 * time.Minute)})
	w.owner.operate(t, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: id})
	expect("Suspend has set a nearer end", iampb.ServiceAccount_ACTIVE)
	w.clock.add(31 * time.Minute)
	expect("and it has come", iampb.ServiceAccount_SUSPENDED)
	expires(nil)
	expect("no end any more", iampb.ServiceAccount_ACTIVE)
	w.owner.refuse(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "late", ExpiresAt: at(-time.Second)}, codes.InvalidArgument, "expires_at")
	w.owner.refuse(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id, ExpiresAt: at(-time.Second)}, codes.InvalidArgument, "expires_at")
}
