//go:build unix

package compat_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/metadata/pods"
)

// cluster is a real API server that asks this server whose tokens are.
type cluster struct {
	*images
	address   string // of the API
	folder    string
	arguments []string // of kube-apiserver
	api       *exec.Cmd
	end       context.CancelFunc
	asker     string // id of the account by whose API key it asks
}

// cachedToken is how long an API server may take a token that has been revoked:
// it remembers good ones for 10 s whatever its webhook is set to.
const cachedToken = 10 * time.Second

const adminToken = "the-admin-of-this-test"

// testKubernetes has kubectl sign in at a real API server with IAM tokens.
func (s *suite) testKubernetes(t *testing.T, client string) {
	s.build(t, client)
	k := &cluster{images: &images{suite: s, admin: s.tokenOf(t, "admin-key.json")}, folder: t.TempDir(), address: freeAddress(t)}
	k.asker = k.robot(t, "cluster")
	k.change(t, "/organization-manager/v1/organizations/"+s.server.env["ORGANIZATION_ID"]+":updateAccessBindings", granting("propusk.tokenReviewer", k.asker), nil)
	k.start(t)
	t.Run("kubectl", k.testKubectl)
	t.Run("revoked", k.testRevokedInCluster)
	t.Run("elsewhere", k.testOtherOrganizations)
	t.Run("pods", k.testPods)
}

func granting(role, account string) map[string]any {
	return map[string]any{"accessBindingDeltas": []any{map[string]any{"action": "ADD", "accessBinding": map[string]any{
		"roleId": role, "subject": map[string]string{"type": "serviceAccount", "id": account}}}}}
}

// robot makes a service account without roles.
func (k *cluster) robot(t *testing.T, name string) string {
	t.Helper()
	var made struct{ ServiceAccountID string }
	k.change(t, "/iam/v1/serviceAccounts", map[string]any{"folderId": k.server.env["FOLDER_ID"], "name": fmt.Sprintf("kubernetes-%s-%d", name, time.Now().UnixNano()%1e9)}, &made)
	return made.ServiceAccountID
}

// keyFile makes a key of an account, and the file that its programs have.
func (k *cluster) keyFile(t *testing.T, account string) string {
	t.Helper()
	var pair struct {
		Key        struct{ ID, CreatedAt, PublicKey string }
		PrivateKey string
	}
	k.rest(t, "POST", "/iam/v1/keys", k.admin, map[string]any{"serviceAccountId": account, "keyAlgorithm": "RSA_2048"}, &pair)
	text, err := json.Marshal(map[string]string{"id": pair.Key.ID, "service_account_id": account, "created_at": pair.Key.CreatedAt,
		"key_algorithm": "RSA_2048", "public_key": pair.Key.PublicKey, "private_key": pair.PrivateKey})
	if err != nil {
		t.Fatal(err)
	}
	return k.file(t, account+".json", string(text))
}

func (k *cluster) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(k.folder, name)
	write(t, path, []byte(text))
	return path
}

// start runs etcd and an API server that knows an administrator of its own, and
// otherwise whom the webhook knows.
func (k *cluster) start(t *testing.T) {
	t.Helper()
	var apiKey struct{ Secret string }
	k.rest(t, "POST", "/iam/v1/apiKeys", k.admin, map[string]any{"serviceAccountId": k.asker, "scopes": []string{"propusk.tokenReviews.create"}}, &apiKey)
	webhook := k.file(t, "webhook.yaml", "apiVersion: v1\nkind: Config\nclusters: [{name: iam, cluster: {server: '"+
		strings.Replace(k.server.env["HTTP_URL"], "http://", "https://", 1)+"/k8s/tokenreview', certificate-authority: "+filepath.Join(k.server.data, "ca.pem")+"}}]\n"+
		"users: [{name: api, user: {token: '"+apiKey.Secret+"'}}]\ncontexts: [{name: iam, context: {cluster: iam, user: api}}]\ncurrent-context: iam\n")
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signing := k.file(t, "sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})))
	etcd := "http://" + freeAddress(t)
	_, port, _ := strings.Cut(k.address, ":")
	k.arguments = []string{"kube-apiserver", "--etcd-servers=" + etcd, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + port,
		"--cert-dir=" + filepath.Join(k.folder, "certs"), "--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + signing, "--service-account-signing-key-file=" + signing,
		"--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount", "--token-auth-file=" + k.file(t, "tokens.csv", adminToken+`,admin,admin,"system:masters"`),
		"--authentication-token-webhook-config-file=" + webhook, "--authentication-token-webhook-version=v1", "--authentication-token-webhook-cache-ttl=1s"}
	k.daemon(t, "etcd", filepath.Join(k.folder, "etcd"), etcd, "http://"+freeAddress(t))
	k.startAPI(t)
}

// daemon starts a program of the cluster that ends with the test.
func (k *cluster) daemon(t *testing.T, args ...string) (*exec.Cmd, context.CancelFunc) {
	t.Helper()
	const client = "kubernetes/cluster"
	ctx, cancel := context.WithCancel(context.Background())
	cmd := command(ctx, client, "./run", args...)
	cmd.Env = append(os.Environ(), "CACHE="+filepath.Join(cacheRoot(t), client))
	var log output
	cmd.Stdout, cmd.Stderr = &log.stdout, &log.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { cancel(); _ = cmd.Wait() }
	t.Cleanup(func() {
		end()
		if t.Failed() {
			text := log.all()
			t.Logf("%s:\n%s", args[0], text[max(0, len(text)-20_000):])
		}
	})
	return cmd, end
}

func (k *cluster) startAPI(t *testing.T) {
	t.Helper()
	k.api, k.end = k.daemon(t, k.arguments...)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		out, err := k.tryAdmin("get", "--raw", "/readyz")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the API server is not ready: %s", out)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (k *cluster) tryAdmin(args ...string) (string, error) {
	return k.kubectl(nil, append([]string{"--server=https://" + k.address, "--certificate-authority=" + filepath.Join(k.folder, "certs", "apiserver.crt"), "--token=" + adminToken}, args...)...)
}

// kubectl runs the real one, without the configuration of whoever runs the tests.
func (k *cluster) kubectl(environment []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	const client = "kubernetes/cluster"
	cmd := command(ctx, client, "./run", append([]string{"kubectl", "--request-timeout=20s"}, args...)...)
	cache, err := filepath.Abs(".cache")
	if root := os.Getenv("PROPUSK_COMPAT_CACHE"); root != "" {
		cache, err = root, nil
	}
	if err != nil {
		return "", err
	}
	cmd.Env = append(os.Environ(), "CACHE="+filepath.Join(cache, client), "HOME="+k.folder, "KUBECONFIG=/dev/null")
	cmd.Env = append(cmd.Env, environment...)
	var out output
	err = out.run(cmd)
	return out.all(), err
}

func (k *cluster) asAdmin(t *testing.T, args ...string) string {
	t.Helper()
	out, err := k.tryAdmin(args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// kubectlUser is an account whose kubectl calls the plugin.
type kubectlUser struct{ id, kubeconfig string }

// user signs an account's kubectl in: a profile with its key, and the kubeconfig
// that the program prints, which needs nothing of the environment.
func (k *cluster) user(t *testing.T, account, version string) kubectlUser {
	t.Helper()
	config := "--config=" + filepath.Join(k.folder, account+"-config.yaml")
	k.program(t, "config", "profile", "create", "of-"+version, config)
	k.program(t, "config", "set", "service-account-key", k.keyFile(t, account), config)
	k.program(t, "config", "set", "endpoint", k.server.env["ENDPOINT"], config)
	text := k.program(t, "k8s", "print-kubeconfig", config, "--name", "compat", "--server", "https://"+k.address,
		"--certificate-authority", filepath.Join(k.folder, "certs", "apiserver.crt"))
	if !strings.Contains(text, "--profile=of-"+version) {
		t.Errorf("the profile is not in\n%s", text)
	}
	text = strings.Replace(text, "client.authentication.k8s.io/v1beta1", "client.authentication.k8s.io/"+version, 1)
	return kubectlUser{account, k.file(t, account+"-"+version+".kubeconfig", text)}
}

// program runs a command of ours without the configuration of whoever runs the tests.
func (k *cluster) program(t *testing.T, args ...string) string {
	t.Helper()
	binary, err := filepath.Abs(k.server.binary)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"HOME=" + k.folder, "PATH=" + os.Getenv("PATH")}
	var out output
	if err := out.run(cmd); err != nil {
		t.Fatalf("propusk %s: %v\n%s", strings.Join(args, " "), err, out.all())
	}
	return out.stdout.String()
}

func (k *cluster) as(p kubectlUser, args ...string) (string, error) {
	return k.kubectl([]string{"KUBECONFIG=" + p.kubeconfig}, args...)
}

// whoami is the user that the API server takes a caller for.
type whoami struct {
	Status struct {
		UserInfo struct {
			Username, UID string
			Groups        []string
			Extra         map[string][]string
		}
	}
}

func (k *cluster) testKubectl(t *testing.T) {
	account := k.robot(t, "developer")
	var group struct{ GroupID string }
	k.change(t, "/organization-manager/v1/groups", map[string]any{"organizationId": k.server.env["ORGANIZATION_ID"], "name": fmt.Sprintf("kubernetes-%d", time.Now().UnixNano()%1e9)}, &group)
	k.change(t, "/organization-manager/v1/groups/"+group.GroupID+":updateMembers", map[string]any{"memberDeltas": []any{map[string]string{"action": "ADD", "subjectId": account}}}, nil)
	var p kubectlUser
	for _, version := range []string{"v1beta1", "v1"} {
		p = k.user(t, account, version)
		out, err := k.as(p, "auth", "whoami", "-o", "json")
		var me whoami
		if err != nil || json.Unmarshal([]byte(out), &me) != nil {
			t.Fatalf("%s: %v\n%s", version, err, out)
		}
		u := me.Status.UserInfo
		if u.Username != account || u.UID != account || len(u.Extra["propusk/token-id"]) != 1 {
			t.Errorf("%s: %+v, want %s", version, u, account)
		}
		for _, g := range []string{group.GroupID, "propusk:serviceAccounts", "group:organization:" + k.server.env["ORGANIZATION_ID"] + ":users", "system:authenticated"} {
			if !slices.Contains(u.Groups, g) {
				t.Errorf("%s: groups %v, want %s", version, u.Groups, g)
			}
		}
		if slices.Contains(u.Groups, "system:masters") {
			t.Error("a token made an administrator")
		}
	}
	// Those that Kubernetes brings are put together by a controller, which is not here.
	k.asAdmin(t, "create", "clusterrole", "reader", "--verb=get,list", "--resource=pods")
	k.asAdmin(t, "create", "clusterrole", "writer", "--verb=create", "--resource=configmaps")
	k.forbidden(t, p, "get", "pods", "-n", "default")
	k.asAdmin(t, "create", "rolebinding", "by-id", "--clusterrole=reader", "--user="+account, "-n", "default")
	k.allowed(t, p, "get", "pods", "-n", "default")
	k.forbidden(t, p, "get", "pods", "-n", "kube-system")
	k.asAdmin(t, "create", "rolebinding", "by-group", "--clusterrole=writer", "--group="+group.GroupID, "-n", "default")
	k.allowed(t, p, "create", "configmap", "made-by-a-member", "-n", "default")
	k.asAdmin(t, "delete", "rolebinding", "by-group", "by-id", "-n", "default")
	k.forbidden(t, p, "get", "pods", "-n", "default")

	// A token of the profile that was revoked is not given to kubectl twice.
	token := strings.TrimSpace(k.program(t, "iam", "create-token", "--config="+filepath.Join(k.folder, account+"-config.yaml")))
	k.allowed(t, p, "auth", "whoami")
	var revoked struct{ SubjectID string }
	k.rest(t, "POST", "/iam/v1/tokens:revoke", k.admin, map[string]string{"iamToken": token}, &revoked)
	k.unauthorized(t, token, cachedToken+10*time.Second)
	if out, err := k.as(p, "auth", "whoami"); err != nil { // the first answer to it is 401
		t.Logf("the command that found out: %v\n%s", err, out)
	}
	if out, err := k.as(p, "auth", "whoami"); err != nil {
		t.Errorf("after a revocation: %v\n%s", err, out)
	}

	// A person's token, as Argo CD and dashboards send them.
	var issued struct{ IAMToken string }
	k.rest(t, "POST", "/iam/v1/tokens", "", map[string]string{"yandexPassportOauthToken": k.server.env["OAUTH_TOKEN"]}, &issued)
	out, err := k.withToken(issued.IAMToken, "auth", "whoami", "-o", "json")
	if err != nil || !strings.Contains(out, "propusk:userAccounts") {
		t.Errorf("alice: %v\n%s", err, out)
	}
}

func (k *cluster) withToken(token string, args ...string) (string, error) {
	return k.kubectl(nil, append([]string{"--server=https://" + k.address, "--certificate-authority=" + filepath.Join(k.folder, "certs", "apiserver.crt"), "--token=" + token}, args...)...)
}

// allowed and forbidden wait until the API server has heard of a binding.
func (k *cluster) allowed(t *testing.T, p kubectlUser, args ...string) {
	t.Helper()
	k.comesTo(t, p, args, func(_ string, err error) bool { return err == nil })
}

func (k *cluster) forbidden(t *testing.T, p kubectlUser, args ...string) {
	t.Helper()
	k.comesTo(t, p, args, func(out string, err error) bool {
		return err != nil && strings.Contains(out, "Forbidden") && strings.Contains(out, p.id)
	})
}

func (k *cluster) comesTo(t *testing.T, p kubectlUser, args []string, good func(string, error) bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := k.as(p, args...)
		if good(out, err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("kubectl %s, of %s: %v\n%s", strings.Join(args, " "), p.id, err, out)
		}
	}
}

// unauthorized demands that a token is soon nobody's.
func (k *cluster) unauthorized(t *testing.T, token string, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(200 * time.Millisecond) {
		out, err := k.withToken(token, "auth", "whoami")
		if err != nil && strings.Contains(out, "Unauthorized") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v, want Unauthorized\n%s", err, out)
		}
	}
}

func (k *cluster) testRevokedInCluster(t *testing.T) {
	token := k.fresh(t, k.asker)
	if out, err := k.withToken(token, "auth", "whoami"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var revoked struct{ SubjectID string }
	k.rest(t, "POST", "/iam/v1/tokens:revoke", k.admin, map[string]string{"iamToken": token}, &revoked)
	k.unauthorized(t, token, cachedToken+10*time.Second)
	k.unauthorized(t, "t1.no.token", 0)
}

// The tokens of another organization are good here, and nobody's in the cluster.
func (k *cluster) testOtherOrganizations(t *testing.T) {
	name := fmt.Sprintf("kubernetes-%d", time.Now().UnixNano()%1e9)
	key := filepath.Join(k.folder, "elsewhere.json")
	cmd := exec.Command(k.server.binary, "bootstrap", "--data", k.server.data, "--organization", name, "--key-file", key)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PROPUSK_") })
	var out output
	if err := out.run(cmd); err != nil {
		t.Fatalf("bootstrap: %v\n%s", err, out.all())
	}
	token := k.tokenFrom(t, key)
	var clouds struct{ Clouds []struct{ ID string } }
	k.rest(t, "GET", "/resource-manager/v1/clouds", token, nil, &clouds)
	if len(clouds.Clouds) != 1 {
		t.Fatalf("the token is not good at home: %v", clouds)
	}
	k.unauthorized(t, token, 0)
}

// testPods has the metadata address's watcher follow a node's pods.
func (k *cluster) testPods(t *testing.T) {
	k.asAdmin(t, "create", "namespace", "shop")
	k.asAdmin(t, "create", "serviceaccount", "cart", "-n", "shop")
	k.asAdmin(t, "annotate", "serviceaccount", "cart", "-n", "shop", pods.Annotation+"=aje1")
	// What the watcher may do is no more than it says it needs.
	k.asAdmin(t, "create", "serviceaccount", "metadata", "-n", "shop")
	k.asAdmin(t, "create", "clusterrole", "propusk-metadata", "--verb=list,watch", "--resource=pods,serviceaccounts")
	k.asAdmin(t, "create", "clusterrolebinding", "propusk-metadata", "--clusterrole=propusk-metadata", "--serviceaccount=shop:metadata")
	token := k.file(t, "metadata-token", k.asAdmin(t, "create", "token", "metadata", "-n", "shop"))
	w, err := pods.New(pods.Options{Node: "node-1", Server: "https://" + k.address, CAFile: filepath.Join(k.folder, "certs", "apiserver.crt"), TokenFile: token, Stale: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { w.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	becomes := func(ip, want string) {
		t.Helper()
		got := "nothing"
		for deadline := time.Now().Add(30 * time.Second); got != want; time.Sleep(20 * time.Millisecond) {
			got = ""
			if p, ok := w.AccountOf(netip.MustParseAddr(ip)); ok {
				got = p.Namespace + "/" + p.Name + " " + p.ServiceAccount + " " + p.Annotation
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is %q, want %q; heard %s ago", ip, got, want, w.Age())
			}
		}
	}
	k.pod(t, "a", "10.1.0.1", "node-1", false)
	becomes("10.1.0.1", "shop/a cart aje1")
	k.pod(t, "host", "10.1.0.2", "node-1", true)
	k.pod(t, "far", "10.1.0.3", "node-2", false)
	k.pod(t, "b", "10.1.0.4", "node-1", false)
	becomes("10.1.0.4", "shop/b cart aje1")
	becomes("10.1.0.2", "")
	becomes("10.1.0.3", "")
	k.asAdmin(t, "annotate", "--overwrite", "serviceaccount", "cart", "-n", "shop", pods.Annotation+"=aje2")
	becomes("10.1.0.1", "shop/a cart aje2")
	k.asAdmin(t, "patch", "pod", "b", "-n", "shop", "--subresource=status", "-p", `{"status":{"phase":"Succeeded"}}`)
	becomes("10.1.0.4", "")
	k.asAdmin(t, "delete", "pod", "a", "-n", "shop", "--grace-period=0", "--force")
	becomes("10.1.0.1", "")
	k.pod(t, "c", "10.1.0.1", "node-1", false)
	becomes("10.1.0.1", "shop/c cart aje2")

	// An API server that is away is not believed for long, and is followed again.
	k.end()
	becomes("10.1.0.1", "")
	k.startAPI(t)
	becomes("10.1.0.1", "shop/c cart aje2")
	k.asAdmin(t, "delete", "pod", "c", "-n", "shop", "--grace-period=0", "--force")
	becomes("10.1.0.1", "")
}

// pod makes a pod and says of it what a kubelet would.
func (k *cluster) pod(t *testing.T, name, ip, node string, host bool) {
	t.Helper()
	manifest := k.file(t, name+".json", fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"namespace":"shop"},"spec":{"nodeName":%q,"hostNetwork":%t,"serviceAccountName":"cart","containers":[{"name":"c","image":"i"}]}}`, name, node, host))
	k.asAdmin(t, "create", "-f", manifest)
	k.asAdmin(t, "patch", "pod", name, "-n", "shop", "--subresource=status", "-p", fmt.Sprintf(`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}]}}`, ip, ip))
}
