//go:build unix

package compat_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tool runs a client's program and returns all that it says.
func (w *images) tool(t *testing.T, environment []string, stdin, client string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := command(ctx, client, "./run", args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(append(os.Environ(), "CACHE="+filepath.Join(cacheRoot(t), client)), environment...)
	var out output
	err := out.run(cmd)
	return out.all(), err
}

// works runs what must work, and refused what must not and must say why.
func (w *images) works(t *testing.T, environment []string, stdin, client string, args ...string) string {
	t.Helper()
	out, err := w.tool(t, environment, stdin, client, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args[:2], " "), err, out)
	}
	return out
}

func (w *images) refused(t *testing.T, says string, environment []string, stdin, client string, args ...string) {
	t.Helper()
	out := w.fails(t, says, environment, stdin, client, args...)
	if !strings.Contains(out, "request id") {
		t.Errorf("%s: it names no request:\n%s", strings.Join(args[:2], " "), out)
	}
	for name, secret := range w.users() {
		if strings.Contains(out, secret) {
			t.Errorf("%s: it shows the password of %s", strings.Join(args[:2], " "), name)
		}
	}
}

// fails is refused by a client that shows its own words alone.
func (w *images) fails(t *testing.T, says string, environment []string, stdin, client string, args ...string) string {
	t.Helper()
	out, err := w.tool(t, environment, stdin, client, args...)
	switch {
	case err == nil:
		t.Errorf("%s: it works, and should say %q\n%s", strings.Join(args[:2], " "), says, out)
	case !strings.Contains(out, says):
		t.Errorf("%s: it does not say %q:\n%s", strings.Join(args[:2], " "), says, out)
	}
	return out
}

// Texts that people must come to see.
const (
	saysNoPush   = "needs the permission container-registry.images.push on the registry " + registryID
	saysBadToken = "The token is invalid (the password of the user iam must be an IAM token)"
	saysKind     = "The IAM token is an OAuth token: a token that begins with t1. is expected"
	saysUser     = "must be one of iam (an IAM token), oauth"
	saysRevoked  = "The token has been revoked"
	saysStranger = "This server makes no tokens for a registry of the name"
	saysNoSuch   = "on the registry crpnothing"
)

func (w *images) testHelm(t *testing.T, registry string) {
	const client = "registry/go"
	folder := t.TempDir()
	home := func(name string) []string {
		at := filepath.Join(folder, name)
		return []string{"HOME=" + at, "HELM_REGISTRY_CONFIG=" + at + "/registry.json", "HELM_CACHE_HOME=" + at, "HELM_CONFIG_HOME=" + at, "HELM_DATA_HOME=" + at}
	}
	packed := w.chart(t, home("x"))
	where := "oci://" + registry + "/" + registryID + "/charts"
	for user, password := range w.users() {
		env := home(user)
		if out := w.works(t, env, password, client, "helm", "registry", "login", registry, "--plain-http", "-u", user, "--password-stdin"); !strings.Contains(out, "Login Succeeded") {
			t.Errorf("%s: %s", user, out)
		}
		w.works(t, env, "", client, "helm", "push", packed, where, "--plain-http")
		got := filepath.Join(folder, user+"-got")
		if err := os.Mkdir(got, 0o700); err != nil {
			t.Fatal(err)
		}
		w.works(t, env, "", client, "helm", "pull", where+"/chart", "--version", "1.0.0", "-d", got, "--plain-http")
		same(t, packed, filepath.Join(got, "chart-1.0.0.tgz"))
	}
	login := func(user string) []string {
		return []string{"helm", "registry", "login", registry, "--plain-http", "-u", user, "--password-stdin"}
	}
	w.refused(t, saysBadToken, home("bad"), "t1.nothing.nothing", client, login("iam")...)
	w.refused(t, saysKind, home("bad"), w.server.env["OAUTH_TOKEN"], client, login("iam")...)
	w.refused(t, saysUser, home("bad"), w.pusher.token, client, login("alice")...)
	env := home("puller")
	w.works(t, env, w.puller.token, client, login("iam")...)
	w.works(t, env, "", client, "helm", "pull", where+"/chart", "--version", "1.0.0", "-d", t.TempDir(), "--plain-http")
	w.refused(t, saysNoPush, env, "", client, "helm", "push", packed, where, "--plain-http")
	w.refused(t, saysNoSuch, env, "", client, "helm", "pull", "oci://"+registry+"/crpnothing/charts/chart", "--version", "1.0.0", "--plain-http")
}

func same(t *testing.T, a, b string) {
	t.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(b)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("%s is not what was pushed: %v", b, err)
	}
}

// layer is a file system of one file.
func layer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layer.tar")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: 5})
	_, _ = w.Write([]byte("hello"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, b.Bytes())
	return path
}

func dockerHome(t *testing.T) []string {
	at := t.TempDir()
	return []string{"HOME=" + at, "DOCKER_CONFIG=" + at}
}

func (w *images) testCrane(t *testing.T, registry, stranger string) {
	const client = "registry/go"
	image, file := registry+"/"+registryID+"/app:", layer(t)
	for user, password := range w.users() {
		env := dockerHome(t)
		w.works(t, env, password, client, "crane", "auth", "login", registry, "-u", user, "--password-stdin", "--insecure")
		w.works(t, env, "", client, "crane", "append", "--insecure", "-f", file, "-t", image+user)
		digest := strings.TrimSpace(w.works(t, env, "", client, "crane", "digest", "--insecure", image+user))
		saved := filepath.Join(t.TempDir(), "image.tar")
		w.works(t, env, "", client, "crane", "pull", "--insecure", image+user, saved)
		if again := strings.TrimSpace(w.works(t, env, "", client, "crane", "digest", "--tarball", saved)); !strings.HasPrefix(digest, "sha256:") || again != digest {
			t.Errorf("%s: pulled %s, pushed %s", user, again, digest)
		}
		w.works(t, env, "", client, "crane", "copy", "--insecure", image+user, registry+"/"+registryID+"/copied:"+user) // with a mount: two scopes
	}
	env := dockerHome(t)
	w.works(t, env, w.puller.token, client, "crane", "auth", "login", registry, "-u", "iam", "--password-stdin", "--insecure")
	w.works(t, env, "", client, "crane", "manifest", "--insecure", image+"iam")
	w.refused(t, saysNoPush, env, "", client, "crane", "append", "--insecure", "-f", file, "-t", image+"new")
	w.refused(t, "container-registry.images.delete", env, "", client, "crane", "delete", "--insecure", image+"iam")
	w.refused(t, saysNoSuch, env, "", client, "crane", "manifest", "--insecure", registry+"/crpnothing/app:1")

	env = dockerHome(t)
	w.works(t, env, "t1.nothing.nothing", client, "crane", "auth", "login", registry, "-u", "iam", "--password-stdin", "--insecure") // asks nobody
	w.refused(t, saysBadToken, env, "", client, "crane", "manifest", "--insecure", image+"iam")
	w.works(t, env, w.pusher.token, client, "crane", "auth", "login", stranger, "-u", "iam", "--password-stdin", "--insecure")
	w.refused(t, saysStranger, env, "", client, "crane", "manifest", "--insecure", stranger+"/"+registryID+"/app:iam")
}

func (w *images) testSkopeo(t *testing.T, registry string) {
	const client = "registry/debian"
	file := layer(t)
	source := t.TempDir()
	env := dockerHome(t)
	w.works(t, env, "", "registry/go", "crane", "append", "-f", file, "-t", "local/app:1", "-o", filepath.Join(source, "image.tar"))
	policy := filepath.Join(source, "policy.json")
	write(t, policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`))
	skopeo := func(args ...string) []string { return append([]string{"skopeo", "--policy", policy}, args...) }
	for user, password := range w.users() {
		auth := filepath.Join(t.TempDir(), "auth.json")
		at := "docker://" + registry + "/library/app:" + user // a plain name: the whole registry is one resource
		w.works(t, env, password, client, skopeo("login", "--authfile", auth, "--tls-verify=false", "-u", user, "--password-stdin", registry)...)
		w.works(t, env, "", client, skopeo("copy", "--authfile", auth, "--dest-tls-verify=false", "docker-archive:"+filepath.Join(source, "image.tar"), at)...)
		w.works(t, env, "", client, skopeo("copy", "--authfile", auth, "--src-tls-verify=false", at, "dir:"+t.TempDir())...)
	}
	auth := filepath.Join(t.TempDir(), "auth.json")
	login := skopeo("login", "--authfile", auth, "--tls-verify=false", "-u", "iam", "--password-stdin", registry)
	w.fails(t, "invalid username/password", env, "t1.nothing.nothing", client, login...)
	w.works(t, env, w.puller.token, client, login...)
	at := "docker://" + registry + "/library/app:iam"
	w.works(t, env, "", client, skopeo("inspect", "--authfile", auth, "--tls-verify=false", at)...)
	w.fails(t, "403 (Forbidden)", env, "", client, skopeo("copy", "--authfile", auth, "--dest-tls-verify=false", "docker-archive:"+filepath.Join(source, "image.tar"), at)...)
	w.fails(t, "403 (Forbidden)", env, "", client, skopeo("delete", "--authfile", auth, "--tls-verify=false", at)...)
	w.works(t, env, w.pusher.token, client, login...)
	w.works(t, env, "", client, skopeo("delete", "--authfile", auth, "--tls-verify=false", at)...)
}

// testDockerCredential has a client get its password from propusk's helper.
func (w *images) testDockerCredential(t *testing.T, registry string) {
	const client = "registry/go"
	env := dockerHome(t)
	key := filepath.Join(t.TempDir(), "key.json")
	write(t, key, []byte(w.pusher.key))
	env = append(env, "PATH="+w.helper+":"+os.Getenv("PATH"), "YC_ENDPOINT="+w.server.env["ENDPOINT"], "YC_SERVICE_ACCOUNT_KEY_FILE="+key)
	ctx := t.Context()
	cmd := command(ctx, ".", filepath.Join(w.helper, "docker-credential-propusk"), "configure", registry)
	cmd.Env = append(os.Environ(), env...)
	var out output
	if err := out.run(cmd); err != nil {
		t.Fatalf("configure: %v\n%s", err, out.all())
	}
	image := registry + "/" + registryID + "/helped:1"
	w.works(t, env, "", client, "crane", "append", "--insecure", "-f", layer(t), "-t", image)
	w.works(t, env, "", client, "crane", "manifest", "--insecure", image)
	// helm has a file of its own and looks into docker's when that says nothing of a registry.
	folder := t.TempDir()
	env = append(env, "HELM_REGISTRY_CONFIG="+folder+"/registry.json", "HELM_CACHE_HOME="+folder, "HELM_CONFIG_HOME="+folder, "HELM_DATA_HOME="+folder)
	packed := w.chart(t, env)
	where, got := "oci://"+registry+"/"+registryID+"/helped-charts", t.TempDir()
	w.works(t, env, "", client, "helm", "push", packed, where, "--plain-http")
	w.works(t, env, "", client, "helm", "pull", where+"/chart", "--version", "1.0.0", "-d", got, "--plain-http")
	same(t, packed, filepath.Join(got, "chart-1.0.0.tgz"))
	if text, err := os.ReadFile(folder + "/registry.json"); err == nil && bytes.Contains(text, []byte("t1.")) {
		t.Errorf("helm's file: %s", text)
	}
	for _, line := range env {
		if name, at, _ := strings.Cut(line, "="); name == "DOCKER_CONFIG" {
			text, err := os.ReadFile(filepath.Join(at, "config.json"))
			if err != nil || bytes.Contains(text, []byte("t1.")) {
				t.Errorf("the client's file: %s, %v", text, err)
			}
		}
	}
}

// chart packs a chart for helm.
func (w *images) chart(t *testing.T, environment []string) string {
	t.Helper()
	folder := t.TempDir()
	chart := filepath.Join(folder, "chart")
	if err := os.MkdirAll(chart, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(chart, "Chart.yaml"), []byte("apiVersion: v2\nname: chart\nversion: 1.0.0\n"))
	w.works(t, environment, "", "registry/go", "helm", "package", chart, "-d", folder)
	return filepath.Join(folder, "chart-1.0.0.tgz")
}

// testRevoked: a token that has been ended is told so, and gets nothing more.
func (w *images) testRevoked(t *testing.T, registry string) {
	const client = "registry/go"
	env := dockerHome(t)
	token := w.fresh(t, w.pusher.id)
	image := registry + "/" + registryID + "/app:iam"
	w.works(t, env, token, client, "crane", "auth", "login", registry, "-u", "iam", "--password-stdin", "--insecure")
	w.works(t, env, "", client, "crane", "manifest", "--insecure", image)
	var revoked struct{}
	w.rest(t, "POST", "/iam/v1/tokens:revoke", token, map[string]string{"iamToken": token}, &revoked)
	w.refused(t, saysRevoked, env, "", client, "crane", "manifest", "--insecure", image)
}

// testPublic: what is bound to allUsers is pulled by who has said nothing, and a
// token for one registry is none for another.
func (w *images) testPublic(t *testing.T, registry, other string) {
	const client = "registry/go"
	image := registry + "/" + registryID + "/app:iam"
	w.refused(t, "This is not public, or does not exist", dockerHome(t), "", client, "crane", "manifest", "--insecure", image)
	w.bind(t, "container-registry.images.puller", "system", "allUsers")
	w.works(t, dockerHome(t), "", client, "crane", "manifest", "--insecure", image)
	w.refused(t, "This is not public, or does not exist", dockerHome(t), "", client, "crane", "append", "--insecure", "-f", layer(t), "-t", image)

	var answer struct{ Token string }
	text := download(t, w.server.env["HTTP_URL"]+"/v2/token/?service="+registrySet+"&scope=repository:library/app:pull+repository:"+registryID+"/app:pull")
	if json.Unmarshal(text, &answer) != nil || answer.Token == "" {
		t.Fatalf("%s", text)
	}
	for address, want := range map[string]int{registry: http.StatusOK, other: http.StatusUnauthorized} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/v2/"+registryID+"/app/tags/list", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+answer.Token)
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("%s: %d, want %d", address, got.StatusCode, want)
		}
	}
}
