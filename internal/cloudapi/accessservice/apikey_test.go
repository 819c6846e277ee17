package accessservice_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// apiKey makes an API key of the robot over REST.
func (w *world) apiKey(t testing.TB, more map[string]any) (id, secret string) {
	t.Helper()
	body := map[string]any{"serviceAccountId": w.ServiceAccountID}
	maps.Copy(body, more)
	r := w.Do(t, "POST", w.adminToken, "/iam/v1/apiKeys", body)
	var made struct {
		APIKey struct {
			ID string `json:"id"`
		} `json:"apiKey"`
		Secret string `json:"secret"`
	}
	if r.Decode(t, &made); r.Code != 200 || made.Secret == "" {
		t.Fatalf("API key: %d %s", r.Code, r.Body)
	}
	return made.APIKey.ID, made.Secret
}

func withAPIKey(secret, permission string, on ...string) *pb.AuthorizeRequest {
	return &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_ApiKey{ApiKey: secret}, Permission: permission, ResourcePath: path(on...)}
}

func authenticateAPIKey(secret string) *pb.AuthenticateRequest {
	return &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_ApiKey{ApiKey: secret}}
}

// An API key is its account's, for what its scopes list and the account may.
func TestAPIKeyWithinItsScopes(t *testing.T) {
	w := newWorld(t)
	const robot = "ajenarrow00000000000"
	w.update(t, func(tx *store.Tx) error {
		return store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: robot, FolderID: w.FolderID, Name: "narrow", Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
	})
	w.bind(t, w.FolderID, "ydb.editor", iam.Subject{ID: robot, Type: iam.TypeServiceAccount})
	_, tables := w.apiKey(t, map[string]any{"serviceAccountId": robot, "scopes": []string{"yc.postbox.send", "yc.ydb.tables.manage"}})
	_, usual := w.apiKey(t, map[string]any{"serviceAccountId": robot})
	const on = "Permission to [ydb.database db00000000000000001] denied"
	for _, c := range []struct {
		what, secret, permission string
		code                     codes.Code
	}{
		{"in scope and held", tables, "ydb.tables.select", codes.OK},
		{"held and out of scope", tables, "ydb.databases.update", codes.PermissionDenied},
		{"held and in a scope of another key", tables, "ydb.streams.write", codes.PermissionDenied},
		{"in scope and not held", tables, "postbox.messages.send", codes.PermissionDenied},
		{"out of the default scopes", usual, "ydb.tables.select", codes.PermissionDenied},
	} {
		unscoped := as(account(robot), c.permission, db, w.database)
		held := c.permission != "postbox.messages.send"
		for _, pkg := range []string{v1, v2} {
			out, err := w.authorize(t, pkg, withAPIKey(c.secret, c.permission, db, w.database))
			text := on
			if c.code == codes.OK {
				text = ""
			}
			expect(t, pkg+c.what, err, c.code, text)
			if err == nil && out.GetSubject().GetServiceAccount().GetId() != robot {
				t.Errorf("%s: subject %v", c.what, out.GetSubject())
			}
			if _, err := w.authorize(t, pkg, unscoped); (err == nil) != held {
				t.Errorf("%s without a key: %v, held %v", c.what, err, held)
			}
		}
	}
	// Neither does a scope lead beyond what the account may see.
	_, err := w.authorize(t, v2, withAPIKey(tables, "ydb.tables.select", folder, w.far.FolderID))
	expect(t, "elsewhere", err, codes.PermissionDenied, "Permission to [resource-manager.folder "+w.far.FolderID+"] denied")
	_, err = w.authorize(t, v2, withAPIKey(tables, "ydb.tables.paint", db, w.database))
	expect(t, "an unknown permission", err, codes.InvalidArgument, "")
}

func TestBulkWithAPIKey(t *testing.T) {
	w := newWorld(t)
	w.bind(t, w.FolderID, "ydb.editor", w.robot())
	_, secret := w.apiKey(t, map[string]any{"scopes": []string{"yc.ydb.tables.manage"}})
	r := w.actions("ydb.tables.select", "ydb.streams.write", "ydb.tables.write")
	r.Identity, r.ResultFilter = &pb.BulkAuthorizeRequest_ApiKey{ApiKey: secret}, pb.BulkAuthorizeRequest_ALL_FAILED
	for _, pkg := range []string{v1, v2} {
		out, err := w.bulk(t, pkg, r)
		if err != nil || len(out.GetResults().GetItems()) != 1 || out.GetResults().GetItems()[0].GetPermission() != "ydb.streams.write" ||
			out.GetSubject().GetServiceAccount().GetId() != w.ServiceAccountID {
			t.Errorf("%s: %v, %v, want streams alone denied", pkg, out, err)
		}
	}
	wrong, _ := credential.NewAPIKey()
	r.Identity = &pb.BulkAuthorizeRequest_ApiKey{ApiKey: wrong.Reveal()}
	out, err := w.bulk(t, v2, r)
	if err != nil || out.GetUnauthenticatedError().GetMessage() != "The API key is not valid: it is malformed, unknown, or has been deleted" {
		t.Errorf("an unknown key: %v, %v", out, err)
	}
}

// What ends or narrows a key counts with the answer to the call that did it.
func TestAPIKeyEnds(t *testing.T) {
	w := newWorld(t)
	w.bind(t, w.FolderID, "ydb.editor", w.robot())
	scopes := map[string]any{"scopes": []string{"yc.ydb.tables.manage"}}
	id, secret := w.apiKey(t, scopes)
	other, otherSecret := w.apiKey(t, scopes)
	ask := func(what, secret string, code codes.Code, text string) {
		t.Helper()
		expect(t, what+", Authenticate", call(t, w.conn, v2+"Authenticate", authenticateAPIKey(secret), &pb.AuthenticateResponse{}), code, text)
		_, err := w.authorize(t, v1, withAPIKey(secret, "ydb.tables.select", db, w.database))
		expect(t, what+", Authorize", err, code, text)
		if s := err; s != nil && strings.Contains(s.Error(), secret) {
			t.Errorf("%s: the answer quotes the key", what)
		}
	}
	do := func(method, path string, body any) {
		t.Helper()
		if r := w.Do(t, method, w.adminToken, path, body); r.Code != 200 {
			t.Fatalf("%s %s: %d %s", method, path, r.Code, r.Body)
		}
	}
	account := "/iam/v1/serviceAccounts/" + w.ServiceAccountID
	for range 3 {
		ask("made", secret, codes.OK, "")
		do("POST", account+":suspend", map[string]any{})
		ask("suspended", secret, codes.Unauthenticated, "The service account "+w.ServiceAccountID+" is suspended")
		do("POST", account+":reactivate", map[string]any{})
	}
	do("PATCH", "/iam/v1/apiKeys/"+id, map[string]any{"updateMask": "scopes", "scopes": []string{"yc.ydb.topics.manage"}})
	_, err := w.authorize(t, v2, withAPIKey(secret, "ydb.tables.select", db, w.database))
	expect(t, "its scopes changed", err, codes.PermissionDenied, "")
	_, err = w.authorize(t, v2, withAPIKey(secret, "ydb.streams.write", db, w.database))
	expect(t, "its new scopes", err, codes.OK, "")
	do("DELETE", "/iam/v1/apiKeys/"+id, nil)
	const gone = "The API key is not valid: it is malformed, unknown, or has been deleted"
	ask("deleted", secret, codes.Unauthenticated, gone)
	ask("beside it", otherSecret, codes.OK, "")
	w.update(t, func(tx *store.Tx) error { // a moment ago: no call takes such a time
		k, err := store.GetAPIKey(tx, other)
		if err != nil {
			return err
		}
		k.ExpiresAt = tx.Now().Add(-time.Microsecond)
		return store.UpdateAPIKey(tx, k)
	})
	ask("expired", otherSecret, codes.Unauthenticated, "The API key "+other+" has expired")
	_, third := w.apiKey(t, scopes)
	ask("a third", third, codes.OK, "")
	do("DELETE", account, nil)
	ask("its account deleted", third, codes.Unauthenticated, gone)
}

// A credential in the wrong place is named for what it is, and not repeated.
func TestAPIKeyAndTokenChangePlaces(t *testing.T) {
	w := newWorld(t)
	_, secret := w.apiKey(t, nil)
	for _, c := range []struct {
		what, given, text string
		r                 proto.Message
	}{
		{"an IAM token as an API key", w.token, "The API key is an IAM token: a key that begins with AQVN is expected", authenticateAPIKey(w.token)},
		{"an API key as an IAM token", secret, "The IAM token is an API key: a token that begins with t1. is expected",
			&pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{IamToken: secret}}},
	} {
		for _, pkg := range []string{v1, v2} {
			err := call(t, w.conn, pkg+"Authenticate", c.r, &pb.AuthenticateResponse{})
			expect(t, c.what, err, codes.Unauthenticated, c.text)
			if strings.Contains(err.Error(), c.given) {
				t.Errorf("%s: the answer quotes it", c.what)
			}
		}
	}
}

// The use of a key shows on it and on its account, at the latest when the
// server has stopped.
func TestAPIKeyLastUsed(t *testing.T) {
	data := propusktest.OnDisk(t.TempDir())
	w := newWorld(t, data)
	id, secret := w.apiKey(t, nil)
	lookAt := func(path string) string {
		var out struct{ LastUsedAt, LastAuthenticatedAt string }
		w.Get(t, w.adminToken, path).Decode(t, &out)
		return out.LastUsedAt + out.LastAuthenticatedAt
	}
	if at := lookAt("/iam/v1/apiKeys/" + id); at != "" {
		t.Errorf("a new key was used at %s", at)
	}
	for range 100 {
		expect(t, "use", call(t, w.conn, v2+"Authenticate", authenticateAPIKey(secret), &pb.AuthenticateResponse{}), codes.OK, "")
	}
	w.Stop(t)
	w.Server = propusktest.New(t, data)
	for _, path := range []string{"/iam/v1/apiKeys/" + id, "/iam/v1/serviceAccounts/" + w.ServiceAccountID} {
		if at := lookAt(path); at == "" {
			t.Errorf("%s does not show its use", path)
		}
	}
}
