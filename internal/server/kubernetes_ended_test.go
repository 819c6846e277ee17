package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

func (k *cluster) asReviewer(account string) iam.AccessBinding {
	return iam.AccessBinding{Role: "propusk.tokenReviewer", Subject: iam.Subject{ID: iam.SubjectID(account), Type: iam.TypeServiceAccount}}
}

// dial is a connection to the API.
func (k *cluster) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(k.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// What ends the asker's own credential, or its right, ends its asking at once.
func TestEndedAskersHearNothing(t *testing.T) {
	k := newCluster(t, server.Config{})
	asker := k.colleague(t)
	question := `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"` + k.token + `"}}`
	auth := "Bearer " + k.tokenOf(t, asker.KeyFile)
	answers := func(what, auth string, code int, text string) {
		t.Helper()
		got, failed := k.post(t, auth, question)
		if got.code != code || !strings.Contains(failed.Message, text) || code != http.StatusOK && strings.Contains(got.body, k.home.ServiceAccountID) {
			t.Errorf("%s: %d %s, want %d with %q", what, got.code, got.body, code, text)
		}
	}
	answers("before the role", auth, http.StatusForbidden, "denied")
	k.bind(t, k.home.OrganizationID, "propusk.tokenReviewer", asker.ServiceAccountID)
	answers("with the role", auth, http.StatusOK, "")
	k.update(t, func(tx *store.Tx) error {
		_, err := store.RemoveBinding(tx, k.home.OrganizationID, k.asReviewer(asker.ServiceAccountID))
		return err
	})
	answers("after the role", auth, http.StatusForbidden, "denied")
	k.bind(t, k.home.FolderID, "propusk.tokenReviewer", asker.ServiceAccountID)
	answers("with the role on a folder", auth, http.StatusForbidden, "denied")
	k.bind(t, k.home.OrganizationID, "propusk.tokenReviewer", asker.ServiceAccountID)
	k.update(t, func(tx *store.Tx) error {
		return store.SetServiceAccountStatus(tx, asker.ServiceAccountID, iam.ServiceAccountSuspended, "a test")
	})
	answers("suspended", auth, http.StatusUnauthorized, "suspended")

	const scope = "propusk.tokenReviews.create"
	key := "Bearer " + k.apiKey(t, scope)
	answers("with a key", key, http.StatusOK, "")
	k.update(t, func(tx *store.Tx) error {
		row, err := store.GetAPIKey(tx, "ajeapikey"+strings.ReplaceAll(scope, ".", ""))
		if err != nil {
			return err
		}
		row.ExpiresAt = tx.Now().Add(-time.Second)
		return store.UpdateAPIKey(tx, row)
	})
	answers("with a key that has expired", key, http.StatusUnauthorized, "expired")
	k.update(t, func(tx *store.Tx) error {
		return store.DeleteAPIKey(tx, "ajeapikey"+strings.ReplaceAll(scope, ".", ""))
	})
	answers("with a key that was deleted", key, http.StatusUnauthorized, "not valid")
}

// A token made in an account's name is that account's, until the one who made it
// may no longer; what has limits that a cluster would not keep is nobody's.
func TestDerivedAndLimitedTokens(t *testing.T) {
	k := newCluster(t, server.Config{})
	robot := k.colleague(t)
	k.update(t, func(tx *store.Tx) error {
		if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: "ajealice", Login: "alice", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if _, err := store.AddMember(tx, k.home.OrganizationID, "ajealice"); err != nil {
			return err
		}
		_, err := store.AddBinding(tx, robot.ServiceAccountID, iam.AccessBinding{Role: "iam.serviceAccounts.tokenCreator", Subject: iam.Subject{ID: "ajealice", Type: iam.TypeUserAccount}})
		return err
	})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+k.personToken(t, "ajealice"))
	made, err := iampb.NewIamTokenServiceClient(k.dial(t)).CreateForServiceAccount(ctx, &iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: robot.ServiceAccountID})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.review(t, made.GetIamToken()); got.Status.User.Username != robot.ServiceAccountID {
		t.Errorf("in the robot's name: %s", got.body)
	}
	ctx = metadata.AppendToOutgoingContext(t.Context(), "authorization", k.auth)
	limited, err := awspb.NewTemporaryAccessKeyServiceClient(k.dial(t)).CreateEphemeral(ctx, &awspb.CreateEphemeralAccessKeyRequest{SessionName: "x"})
	if err != nil {
		t.Fatal(err)
	}
	k.refused(t, "a session token", k.review(t, limited.GetSessionToken()), "session token")
	k.refused(t, "a secret", k.review(t, limited.GetSecret()), "temporary access key's secret")
	k.refused(t, "an API key that is good", k.review(t, k.apiKey(t, "propusk.tokenReviews.create")), "is an API key")
	k.refused(t, "the word Bearer before it", k.review(t, k.auth), "invalid")

	alice := k.personToken(t, "ajealice")
	if got := k.review(t, alice); !got.Status.Authenticated {
		t.Fatalf("alice: %s", got.body)
	}
	if _, err := k.SuspendUser(t.Context(), server.UserSuspendRequest{User: "ajealice", Reason: "a test"}); err != nil {
		t.Fatal(err)
	}
	k.refused(t, "a suspended person", k.review(t, alice), "revoked")
	k.refused(t, "what a suspended person has made", k.review(t, made.GetIamToken()), "revoked")
	k.update(t, func(tx *store.Tx) error {
		_, err := store.DeleteServiceAccount(tx, robot.ServiceAccountID)
		return err
	})
	k.refused(t, "a deleted account", k.review(t, made.GetIamToken()), "")
}

// The right to ask about another organization ends at once, too.
func TestAnotherOrganizationIsNoLongerTold(t *testing.T) {
	k := newCluster(t, server.Config{})
	far := k.tokenOf(t, k.far.KeyFile)
	k.bind(t, k.far.OrganizationID, "propusk.tokenReviewer", k.home.ServiceAccountID)
	if got := k.review(t, far); !got.Status.Authenticated {
		t.Fatalf("%s", got.body)
	}
	k.update(t, func(tx *store.Tx) error {
		_, err := store.RemoveBinding(tx, k.far.OrganizationID, k.asReviewer(k.home.ServiceAccountID))
		return err
	})
	k.refused(t, "without the role", k.review(t, far), "nobody in an organization")
}
