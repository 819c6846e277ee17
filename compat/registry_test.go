//go:build unix

package compat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The registries of these tests: their names for themselves, as the server knows
// them, and the registry in the tree that two of them share.
const (
	registryCerts  = "compat-certs" // distribution 3, which was given the certificates
	registrySet    = "compat-set"   // the same, which was given the key set
	registryDebian = "compat-old"   // distribution 2.8 of Debian; all of its repositories belong to one registry
	registryID     = "crpcompat"
)

// registryFlags tell the server of them.
var registryFlags = []string{"--registries", "service=" + registryCerts,
	"--registries", "service=" + registrySet + " keys=set", "--registries", "service=" + registryDebian + " resource=" + registryID}

// images is a world of registries, and of accounts that may do something there.
type images struct {
	*suite
	admin          string // IAM token
	pusher, puller registryAccount
	helper         string // folder with the credential helper
}

type registryAccount struct{ id, token, key, apiKey string }

// testRegistry has real registries send real clients to this server for tokens.
func (s *suite) testRegistry(t *testing.T, _ string) {
	s.build(t, "registry/go")
	s.build(t, "registry/debian")
	w := &images{suite: s, admin: s.tokenOf(t, "admin-key.json"), helper: t.TempDir()}
	binary, err := filepath.Abs(s.server.binary)
	if err == nil {
		err = os.Symlink(binary, filepath.Join(w.helper, "docker-credential-propusk"))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.change(t, "/propusk/v1/resources", map[string]any{"parentId": s.server.env["FOLDER_ID"], "type": "container-registry.registry", "id": registryID}, nil)
	w.pusher = w.account(t, "pusher", "container-registry.images.pusher")
	w.puller = w.account(t, "puller", "container-registry.images.puller")
	w.bind(t, "container-registry.images.pusher", "userAccount", w.alice(t))

	certs, set := w.registry(t, registryCerts, "rootcertbundle"), w.registry(t, registrySet, "jwks")
	old, stranger := w.registry(t, registryDebian, "rootcertbundle"), w.registry(t, "compat-stranger", "rootcertbundle")
	t.Run("helm", func(t *testing.T) { w.testHelm(t, certs) })
	t.Run("crane", func(t *testing.T) { w.testCrane(t, set, stranger) })
	t.Run("skopeo", func(t *testing.T) { w.testSkopeo(t, old) })
	t.Run("docker-credential", func(t *testing.T) { w.testDockerCredential(t, set) })
	t.Run("revoked", func(t *testing.T) { w.testRevoked(t, set) })
	t.Run("public", func(t *testing.T) { w.testPublic(t, set, old) })
}

// users are the ways to sign in as one who may push.
func (w *images) users() map[string]string {
	return map[string]string{"iam": w.pusher.token, "api_key": w.pusher.apiKey, "json_key": w.pusher.key, "oauth": w.server.env["OAUTH_TOKEN"]}
}

// change makes a change and waits for its end.
func (w *images) change(t *testing.T, path string, body, metadata any) {
	t.Helper()
	var operation struct {
		Done     bool
		Error    *struct{ Message string }
		Metadata json.RawMessage
	}
	w.rest(t, "POST", path, w.admin, body, &operation)
	if !operation.Done || operation.Error != nil {
		t.Fatalf("%s: %+v", path, operation)
	}
	if metadata != nil && json.Unmarshal(operation.Metadata, metadata) != nil {
		t.Fatalf("%s: metadata %s", path, operation.Metadata)
	}
}

func (w *images) bind(t *testing.T, role, kind, id string) {
	t.Helper()
	w.change(t, "/propusk/v1/resources/"+registryID+":updateAccessBindings", map[string]any{"accessBindingDeltas": []any{
		map[string]any{"action": "ADD", "accessBinding": map[string]any{"roleId": role, "subject": map[string]string{"type": kind, "id": id}}}}}, nil)
}

// account makes a service account with a role on the registry, and credentials.
func (w *images) account(t *testing.T, name, role string) (a registryAccount) {
	t.Helper()
	var made struct{ ServiceAccountID string }
	w.change(t, "/iam/v1/serviceAccounts", map[string]any{"folderId": w.server.env["FOLDER_ID"], "name": fmt.Sprintf("registry-%s-%d", name, time.Now().UnixNano()%1e9)}, &made)
	a.id = made.ServiceAccountID
	w.bind(t, role, "serviceAccount", a.id)
	var apiKey struct{ Secret string }
	w.rest(t, "POST", "/iam/v1/apiKeys", w.admin, map[string]any{"serviceAccountId": a.id, "scopes": []string{"propusk.container-registry.push"}}, &apiKey)
	var pair struct {
		Key        struct{ ID, CreatedAt, KeyAlgorithm, PublicKey string }
		PrivateKey string
	}
	w.rest(t, "POST", "/iam/v1/keys", w.admin, map[string]any{"serviceAccountId": a.id, "keyAlgorithm": "RSA_2048"}, &pair)
	file, err := json.MarshalIndent(map[string]string{"id": pair.Key.ID, "service_account_id": a.id, "created_at": pair.Key.CreatedAt,
		"key_algorithm": "RSA_2048", "public_key": pair.Key.PublicKey, "private_key": pair.PrivateKey}, "", "   ")
	if err != nil {
		t.Fatal(err)
	}
	a.apiKey, a.key = apiKey.Secret, string(file)
	a.token = w.fresh(t, a.id)
	return a
}

// fresh is an IAM token of an account.
func (w *images) fresh(t *testing.T, id string) string {
	t.Helper()
	var issued struct{ IAMToken string }
	w.rest(t, "POST", "/iam/v1/tokens:createForServiceAccount", w.admin, map[string]string{"serviceAccountId": id}, &issued)
	return issued.IAMToken
}

// alice is the id of the person whose OAuth token the server has made.
func (w *images) alice(t *testing.T) string {
	t.Helper()
	var issued struct{ IAMToken string }
	w.rest(t, "POST", "/iam/v1/tokens", "", map[string]string{"yandexPassportOauthToken": w.server.env["OAUTH_TOKEN"]}, &issued)
	var revoked struct{ SubjectID string }
	w.rest(t, "POST", "/iam/v1/tokens:revoke", issued.IAMToken, map[string]string{"iamToken": issued.IAMToken}, &revoked)
	return revoked.SubjectID
}

// registry starts a registry that was given, when it started and never again,
// what it checks tokens with. It returns its host:port.
func (w *images) registry(t *testing.T, service, trust string) string {
	t.Helper()
	address := freeAddress(t)
	folder := t.TempDir()
	home := w.server.env["HTTP_URL"]
	// crane asks no token of a private address, unless it is the registry's own; of a name it does.
	realm := strings.Replace(home, "127.0.0.1", "localhost", 1) + "/v2/token/"
	source := home + "/v2/token/certs"
	if trust == "jwks" {
		source = home + "/v2/token/keys"
	}
	pinned := filepath.Join(folder, "pinned")
	write(t, pinned, download(t, source))
	config := filepath.Join(folder, "config.yml")
	text := "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n" +
		"storage: {delete: {enabled: true}, filesystem: {rootdirectory: " + filepath.Join(folder, "images") + "}}\n" +
		"http: {addr: " + address + ", secret: of-this-test}\n" +
		"auth: {token: {realm: '" + realm + "', service: " + service + ", issuer: '" + home + "', " + trust + ": " + pinned + "}}\n"
	write(t, config, []byte(text))
	client, program := "registry/go", "registry"
	if service == registryDebian {
		client, program = "registry/debian", "docker-registry"
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := command(ctx, client, "./run", program, "serve", config)
	cmd.Env = append(os.Environ(), "CACHE="+filepath.Join(cacheRoot(t), client), "OTEL_TRACES_EXPORTER=none")
	var log output
	cmd.Stdout, cmd.Stderr = &log.stdout, &log.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("registry %s:\n%s", service, log.all())
		}
	})
	for deadline := time.Now().Add(startLimit); !listens(address); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the registry %s does not listen", service)
		}
	}
	return address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func download(t *testing.T, address string) []byte {
	t.Helper()
	r, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", address, r.StatusCode, text, err)
	}
	return text
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
