package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

// cluster is an API server that asks with the token of home's account, which
// has the role for that.
type cluster struct {
	*nosy
	auth string
}

func newCluster(t *testing.T, c server.Config) *cluster {
	t.Helper()
	h := serveHouse(t, c, nil)
	n := &nosy{serving: h, token: h.tokenOf(t, h.home.KeyFile)}
	return &cluster{n, "Bearer " + n.token}
}

// reviewed is what an API server reads.
type reviewed struct {
	APIVersion, Kind string
	Spec             any
	Status           struct {
		Authenticated bool
		Error         string
		Audiences     []string
		User          struct {
			Username, UID string
			Groups        []string
			Extra         map[string][]string
		}
	}
	code int
	body string
}

func (k *cluster) post(t *testing.T, auth, body string) (out reviewed, failure struct{ Kind, Message, Reason string }) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+k.HTTPAddr()+"/k8s/tokenreview?timeout=30s", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, &out)
	} else {
		err = json.Unmarshal(text, &failure)
	}
	if err != nil {
		t.Fatalf("%d %s: %v", res.StatusCode, text, err)
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Request-Id") == "" {
		t.Errorf("headers %v", res.Header)
	}
	out.code, out.body = res.StatusCode, string(text)
	return out, failure
}

func (k *cluster) review(t *testing.T, token string, audiences ...string) reviewed {
	t.Helper()
	spec, err := json.Marshal(map[string]any{"token": token, "audiences": audiences})
	if err != nil {
		t.Fatal(err)
	}
	out, failed := k.post(t, k.auth, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":null},"spec":`+string(spec)+`,"status":{"user":{}}}`)
	if out.code != http.StatusOK {
		t.Fatalf("%d %v", out.code, failed)
	}
	if len(token) > 8 && strings.Contains(out.body, token) {
		t.Error("the token is sent back")
	}
	return out
}

func (k *cluster) refused(t *testing.T, what string, got reviewed, text string) {
	t.Helper()
	if got.Status.Authenticated || got.Status.User.Username != "" || len(got.Status.User.Groups) > 0 || !strings.Contains(got.Status.Error, text) {
		t.Errorf("%s: %s, want a refusal with %q", what, got.body, text)
	}
}

func (n *nosy) group(t *testing.T, id, organizationID string, members ...string) {
	t.Helper()
	n.update(t, func(tx *store.Tx) error {
		if err := store.InsertGroup(tx, &iam.Group{ID: id, OrganizationID: organizationID, Name: id, CreatedAt: tx.Now()}); err != nil {
			return err
		}
		for _, m := range members {
			if _, err := store.AddGroupMember(tx, id, iam.Subject{ID: iam.SubjectID(m), Type: iam.TypeServiceAccount}); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestAClusterIsToldWhoseATokenIs(t *testing.T) {
	k := newCluster(t, server.Config{})
	me := k.home.ServiceAccountID
	k.group(t, "ajegroupofhome0000aa", k.home.OrganizationID, me)
	k.group(t, "ajegroupofelsewhere0", k.far.OrganizationID, me)
	for _, version := range []string{"v1", "v1beta1"} {
		out, failed := k.post(t, k.auth, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/`+version+`","spec":{"token":"`+k.token+`","audiences":["https://kubernetes.default.svc"]}}`)
		if out.code != http.StatusOK || out.Kind != "TokenReview" || out.APIVersion != "authentication.k8s.io/"+version || out.Spec != nil {
			t.Fatalf("%s: %d %s %v", version, out.code, out.body, failed)
		}
		u := out.Status.User
		want := []string{"ajegroupofhome0000aa", string(iam.OrganizationUsers(k.home.OrganizationID)), "propusk:serviceAccounts"}
		if !out.Status.Authenticated || u.Username != me || u.UID != me || !slices.Equal(u.Groups, want) || len(out.Status.Audiences) > 0 {
			t.Errorf("%s: %s, want groups %v", version, out.body, want)
		}
		if len(u.Extra["propusk/token-id"]) != 1 || !slices.Equal(u.Extra["propusk/organization-id"], []string{k.home.OrganizationID}) || strings.Contains(out.body, k.token) {
			t.Errorf("%s: %s", version, out.body)
		}
	}
	for what, bad := range map[string]struct{ token, text string }{
		"none":        {"", "invalid"},
		"garbage":     {"t1.x.y", "The token is invalid"},
		"a JWT":       {"eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "is a JWT"},
		"an API key":  {"AQVNsomethingsomethingsomethingsomething", "is an API key"},
		"a long one":  {strings.Repeat("x", 60_000), "The token is invalid"},
		"two lines":   {k.token + "\n", "The token is invalid"},
		"a null byte": {k.token + "\x00", "The token is invalid"},
	} {
		k.refused(t, what, k.review(t, bad.token), bad.text)
	}
}

// What ends a token, or its subject, ends its use in a cluster at once.
func TestEndedTokensAreNobodys(t *testing.T) {
	k := newCluster(t, server.Config{})
	other := k.colleague(t)
	token := k.tokenOf(t, other.KeyFile)
	if got := k.review(t, token); !got.Status.Authenticated {
		t.Fatalf("before: %s", got.body)
	}
	conn, err := grpc.NewClient(k.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := iampb.NewIamTokenServiceClient(conn).Revoke(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token), &iampb.RevokeIamTokenRequest{IamToken: token}); err != nil {
		t.Fatal(err)
	}
	k.refused(t, "revoked", k.review(t, token), "revoked")
	token = k.tokenOf(t, other.KeyFile)
	k.update(t, func(tx *store.Tx) error {
		return store.SetServiceAccountStatus(tx, other.ServiceAccountID, iam.ServiceAccountSuspended, "a test")
	})
	k.refused(t, "suspended", k.review(t, token), "suspended")
}

// Whoever belongs to another organization is nobody in this cluster, whatever he
// is bound to here, until the cluster may ask about that one too.
func TestAClusterIsNotEverybodys(t *testing.T) {
	k := newCluster(t, server.Config{})
	far := k.tokenOf(t, k.far.KeyFile)
	const nobody = "nobody in an organization that this cluster may ask about"
	k.refused(t, "another organization", k.review(t, far), nobody)
	k.bind(t, k.home.OrganizationID, "admin", k.far.ServiceAccountID)
	k.group(t, "ajegroupofhome0000aa", k.home.OrganizationID, k.far.ServiceAccountID)
	k.refused(t, "with a role and a group here", k.review(t, far), nobody)
	k.bind(t, k.far.FolderID, "propusk.tokenReviewer", k.home.ServiceAccountID)
	k.refused(t, "a role on its folder alone", k.review(t, far), nobody)
	k.bind(t, k.far.OrganizationID, "propusk.tokenReviewer", k.home.ServiceAccountID)
	got := k.review(t, far)
	if !got.Status.Authenticated || got.Status.User.Username != k.far.ServiceAccountID || slices.Contains(got.Status.User.Groups, "ajegroupofhome0000aa") ||
		!slices.Contains(got.Status.User.Groups, string(iam.OrganizationUsers(k.far.OrganizationID))) {
		t.Errorf("where the cluster may ask: %s", got.body)
	}
}

func TestWhoMayAskForReviews(t *testing.T) {
	k := newCluster(t, server.Config{})
	plain := k.colleague(t)
	question := `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"` + k.token + `"}}`
	for what, c := range map[string]struct {
		auth, text string
		code       int
	}{
		"nobody":              {"", "no credential", 401},
		"garbage":             {"Bearer t1.x.y", "The token is invalid", 401},
		"without the role":    {"Bearer " + k.tokenOf(t, plain.KeyFile), "denied", 403},
		"a bad API key":       {"Bearer AQVNsomethingsomethingsomethingsomething", "The API key is not valid", 401},
		"another scheme":      {"Basic aWFtOng=", "Basic", 401},
		"another API's words": {"Api-Key AQVNsomethingsomethingsomethingsomething", "API key", 401},
		"a narrow API key":    {"Bearer " + k.apiKey(t, "yc.monitoring.read"), "no scope for token reviews", 403},
	} {
		got, failed := k.post(t, c.auth, question)
		if got.code != c.code || failed.Kind != "Status" || !strings.Contains(failed.Message, c.text) {
			t.Errorf("%s: %d %v, want %d with %q", what, got.code, failed, c.code, c.text)
		}
		if strings.Contains(got.body, k.home.ServiceAccountID) && c.code == 401 || strings.Contains(got.body, k.token) {
			t.Errorf("%s is told whose the token is: %s", what, got.body)
		}
	}
	if got, failed := k.post(t, "Bearer "+k.apiKey(t, "propusk.tokenReviews.create"), question); got.code != http.StatusOK || !got.Status.Authenticated {
		t.Errorf("an API key: %d %v", got.code, failed)
	}
	for body, code := range map[string]int{
		"":   400,
		"[]": 400,
		"{}": 400,
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1"}`:                              400,
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v2","spec":{"token":"x"}}`:         400,
		`{"kind":"SubjectAccessReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"x"}}`: 400,
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":7}}`:           400,
		question + question: 400,
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"` + strings.Repeat("x", 70<<10) + `"}}`: 413,
	} {
		got, failed := k.post(t, k.auth, body)
		if got.code != code || failed.Kind != "Status" {
			t.Errorf("%.80q: %d %v, want %d", body, got.code, failed, code)
		}
	}
}

func TestAudiences(t *testing.T) {
	k := newCluster(t, server.Config{KubernetesAudiences: []string{"https://kubernetes.default.svc", "argocd"}})
	for asked, want := range map[string][]string{
		"":                               nil,
		"argocd":                         {"argocd"},
		"vault argocd argocd":            {"argocd"},
		"https://kubernetes.default.svc": {"https://kubernetes.default.svc"},
	} {
		if got := k.review(t, k.token, strings.Fields(asked)...); !got.Status.Authenticated || !slices.Equal(got.Status.Audiences, want) {
			t.Errorf("asked for %q: %s, want %v", asked, got.body, want)
		}
	}
	k.refused(t, "none of ours", k.review(t, k.token, "vault"), "audiences")
}

// A person is known in the organizations that he is a member of now.
func TestPeopleInClusters(t *testing.T) {
	k := newCluster(t, server.Config{})
	k.update(t, func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, &iam.UserAccount{ID: "ajealice", Login: "alice", CreatedAt: tx.Now()})
	})
	token := k.personToken(t, "ajealice")
	k.refused(t, "no member", k.review(t, token), "nobody in an organization")
	member := func(in bool) {
		k.update(t, func(tx *store.Tx) (err error) {
			if in {
				_, err = store.AddMember(tx, k.home.OrganizationID, "ajealice")
			} else {
				_, err = store.RemoveMember(tx, k.home.OrganizationID, "ajealice")
			}
			return err
		})
	}
	member(true)
	if got := k.review(t, token); got.Status.User.Username != "ajealice" || !slices.Contains(got.Status.User.Groups, "propusk:userAccounts") {
		t.Errorf("a member: %s", got.body)
	}
	member(false)
	k.refused(t, "a member no longer", k.review(t, token), "")
	// People's own tokens ask for nothing, whatever their roles.
	got, failed := k.post(t, "Bearer "+k.personToken(t, "ajealice"), `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"x"}}`)
	if got.code != http.StatusForbidden || !strings.Contains(failed.Message, "Only a service account") {
		t.Errorf("a person asks: %d %v", got.code, failed)
	}
}

// Who was refused leaves a line, and no line holds a token.
func TestRefusedReviewersAreRemembered(t *testing.T) {
	k := newCluster(t, server.Config{})
	plain := k.colleague(t)
	k.post(t, "Bearer "+k.tokenOf(t, plain.KeyFile), `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"`+k.token+`"}}`)
	all, err := k.AuditList(t.Context(), server.AuditListRequest{Limit: 10_000, Subject: plain.ServiceAccountID})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range all.Events {
		text := string(e)
		if strings.Contains(text, "ReviewTokenKubernetes") {
			found++
		}
		if strings.Contains(text, k.token) {
			t.Error("a line holds the token")
		}
	}
	if found != 1 {
		t.Errorf("%d lines of %d, want 1", found, len(all.Events))
	}
}

// colleague is another account in home's folder, without roles.
func (k *cluster) colleague(t *testing.T) (out struct{ ServiceAccountID, KeyFile string }) {
	t.Helper()
	private, err := keyfile.Generate(iam.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keyfile.PublicKeyText(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	out.ServiceAccountID = "ajecolleague00000000"
	key := iam.Key{ID: "ajekeyofcolleague000", ServiceAccountID: out.ServiceAccountID, Algorithm: iam.RSA2048, PublicKey: public, CreatedAt: time.Now()}
	f, err := keyfile.New(key, private)
	if err != nil {
		t.Fatal(err)
	}
	out.KeyFile = string(f.Encode())
	k.update(t, func(tx *store.Tx) error {
		if err := store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: out.ServiceAccountID, FolderID: k.home.FolderID, Name: "colleague", CreatedAt: tx.Now(), Status: iam.ServiceAccountActive}); err != nil {
			return err
		}
		return store.InsertKey(tx, &key)
	})
	return out
}

// apiKey makes an API key of home's account.
func (k *cluster) apiKey(t *testing.T, scope string) string {
	t.Helper()
	secret, row := credential.NewAPIKey()
	row.ID, row.ServiceAccountID, row.Scopes = "ajeapikey"+strings.ReplaceAll(scope, ".", ""), k.home.ServiceAccountID, []string{scope}
	k.update(t, func(tx *store.Tx) error {
		row.CreatedAt = tx.Now()
		return store.InsertAPIKey(tx, row)
	})
	return secret.Reveal()
}

// personToken is an IAM token of a person.
func (k *cluster) personToken(t *testing.T, id string) string {
	t.Helper()
	secret, row := credential.NewOAuthToken()
	row.ID, row.UserID = "ajeoauth"+row.Lookup[:12], id
	k.update(t, func(tx *store.Tx) error {
		row.CreatedAt, row.ExpiresAt = tx.Now(), tx.Now().Add(time.Hour)
		return store.InsertOAuthToken(tx, row)
	})
	conn, err := grpc.NewClient(k.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	out, err := iampb.NewIamTokenServiceClient(conn).Create(t.Context(), &iampb.CreateIamTokenRequest{
		Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: secret.Reveal()}})
	if err != nil {
		t.Fatal(err)
	}
	return out.GetIamToken()
}
