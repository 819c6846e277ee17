package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli"
)

func TestTokenForKubernetes(t *testing.T) {
	f := newFake(t)
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	f.created = &iampb.CreateIamTokenResponse{IamToken: goodToken, ExpiresAt: timestamppb.New(ends)}
	key := "YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t)
	const v1, beta = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
	for name, c := range map[string]struct {
		info, want string
		words      []string
	}{
		"nobody asks":          {"", beta, []string{"k8s", "create-token"}},
		"the whole word":       {"", beta, []string{"managed-kubernetes", "create-token"}},
		"as kubeconfigs do":    {`{"kind":"ExecCredential","apiVersion":"` + beta + `","spec":{"interactive":true}}`, beta, []string{"k8s", "create-token", "--format", "json"}},
		"version 1":            {`{"kind":"ExecCredential","apiVersion":"` + v1 + `","spec":{"cluster":{"server":"https://x"},"interactive":false}}`, v1, []string{"k8s", "create-token"}},
		"another format":       {"", beta, []string{"k8s", "create-token", "--format", "yaml"}},
		"what others answered": {`{"kind":"ExecCredential","apiVersion":"` + v1 + `","status":{"token":"x"}}`, v1, []string{"k8s", "create-token"}},
	} {
		environ := []string{key}
		if c.info != "" {
			environ = append(environ, "KUBERNETES_EXEC_INFO="+c.info)
		}
		out := f.run(t, environ, c.words...).good(t)
		var got struct {
			Kind, APIVersion string
			Spec             map[string]any
			Status           struct{ Token, ExpirationTimestamp string }
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Errorf("%s: %v in %s", name, err, out)
			continue
		}
		expires, err := time.Parse(time.RFC3339, got.Status.ExpirationTimestamp)
		if got.Kind != "ExecCredential" || got.APIVersion != c.want || got.Status.Token != goodToken || err != nil || expires.Sub(ends).Abs() > time.Second {
			t.Errorf("%s: %s, want %s until %s", name, out, c.want, ends)
		}
		if strings.Contains(out, "cluster") {
			t.Errorf("%s: the question is repeated: %s", name, out)
		}
	}
	if out := f.run(t, []string{key}, "k8s", "create-token", "--jq", ".status.token").good(t); !strings.Contains(out, goodToken) || strings.Contains(out, "kind") {
		t.Errorf("filtered: %q", out)
	}
	for info, text := range map[string]string{
		"{":                           "holds no ExecCredential",
		`{"apiVersion":"` + v1 + `"}`: "holds no ExecCredential",
		`{"kind":"ExecCredential"}`:   `asks for ""`,
		`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1alpha1"}`: "asks for",
	} {
		f.asked = nil
		f.run(t, []string{key, "KUBERNETES_EXEC_INFO=" + info}, "k8s", "create-token").misused(t, text)
		if len(f.asked) > 0 {
			t.Errorf("%s: the server was asked", info)
		}
	}
}

// A client that asks twice while the token is good has been refused with it.
func TestARefusedTokenIsNotGivenTwice(t *testing.T) {
	f := newFake(t)
	config := profileWithKey(t)
	made := 0
	ask := func(parent int, info string) (token string) {
		t.Helper()
		f.created = &iampb.CreateIamTokenResponse{IamToken: fmt.Sprintf("t1.number.%d", made+1), ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}
		before := len(f.asked)
		var stdout, stderr bytes.Buffer
		err := cli.Run(t.Context(), cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_CONFIG=" + config, "KUBERNETES_EXEC_INFO=" + info},
			Stdout: &stdout, Stderr: &stderr, Now: time.Now, Parent: parent}, "k8s", []string{"create-token", "--jq", ".status.token"})
		if err != nil {
			t.Fatal(err)
		}
		made += len(f.asked) - before
		return strings.Trim(stdout.String(), "\"\n")
	}
	const plugin = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}`
	for i, c := range []struct {
		parent int
		info   string
		want   string
	}{
		{100, plugin, "t1.number.1"},
		{101, plugin, "t1.number.1"},
		{101, plugin, "t1.number.2"}, // refused
		{101, plugin, "t1.number.3"}, // and again
		{102, plugin, "t1.number.3"},
		{102, "", "t1.number.3"}, // a shell, which asks as often as it likes
		{102, "", "t1.number.3"},
		{0, plugin, "t1.number.3"},
		{0, plugin, "t1.number.3"},
	} {
		if got := ask(c.parent, c.info); got != c.want {
			t.Errorf("%d: %d is given %s, want %s", i, c.parent, got, c.want)
		}
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(config), "cache", "k8s-asker"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(config), "cache", "k8s-asker")); err != nil || strings.Contains(string(text), "t1.") {
		t.Errorf("the token is beside its place: %v", err)
	}
	// Tokens that are not kept are nobody's to make anew.
	for range 2 {
		var stdout, stderr bytes.Buffer
		err := cli.Run(t.Context(), cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_IAM_TOKEN=" + goodToken, "KUBERNETES_EXEC_INFO=" + plugin},
			Stdout: &stdout, Stderr: &stderr, Now: time.Now, Parent: 100}, "k8s", []string{"create-token"})
		if err != nil || !strings.Contains(stdout.String(), goodToken) {
			t.Errorf("%v %s", err, stdout.String())
		}
	}
}

// A client of several clusters asks for each of them: what is kept is not lost
// when no other token can be had, and is given once more, for it may be good.
func TestAGoodTokenIsNotLost(t *testing.T) {
	f := newFake(t)
	config := profileWithKey(t)
	f.created = &iampb.CreateIamTokenResponse{IamToken: "t1.first.token", ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}
	ask := func(words ...string) (string, string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		err := cli.Run(t.Context(), cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_CONFIG=" + config,
			`KUBERNETES_EXEC_INFO={"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}`},
			Stdout: &stdout, Stderr: &stderr, Now: time.Now, Parent: 100}, "k8s", append([]string{"create-token", "--retry", "0"}, words...))
		if err != nil {
			t.Errorf("%v: %v", words, err)
		}
		return stdout.String(), stderr.String()
	}
	ask()
	f.refuse = func() error { return status.Error(codes.Unavailable, "away") }
	out, told := ask()
	if !strings.Contains(out, "t1.first.token") || !strings.Contains(told, "away") {
		t.Errorf("while the server is away: %s, told %q", out, told)
	}
	f.refuse = nil
	asked := len(f.asked)
	if out := f.runIn(t, []string{"YC_CONFIG=" + config}, "", "k8s", "create-token").good(t); !strings.Contains(out, "t1.first.token") || len(f.asked) != asked {
		t.Errorf("it was lost: %s", out)
	}
}

func TestKubeconfig(t *testing.T) {
	f := newFake(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(authority), 0o600); err != nil {
		t.Fatal(err)
	}
	out := f.run(t, nil, "k8s", "print-kubeconfig", "--name", "cat1", "--server", "https://10.0.0.1:6443", "--certificate-authority", ca, "--command", "/opt/propusk").good(t)
	var got kubeconfigText
	if err := yaml.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	const name = "yc-managed-k8s-cat1"
	exec := got.Users[0].User.Exec
	if got.Current != name || got.Clusters[0].Name != name || got.Users[0].Name != name || got.Contexts[0].Name != name || exec.Command != "/opt/propusk" ||
		exec.APIVersion != "client.authentication.k8s.io/v1beta1" || exec.InteractiveMode != "IfAvailable" || strings.Join(exec.Args, " ") != "k8s create-token" {
		t.Errorf("%s", out)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("current: prod\nprofiles:\n  prod: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out = f.run(t, nil, "k8s", "print-kubeconfig", "--name", "c", "--server", "https://k", "--config", config).good(t)
	if !strings.Contains(out, "- --profile=prod\n") || !strings.Contains(out, "- --config="+config+"\n") {
		t.Errorf("the profile is not named:\n%s", out)
	}
	secret := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(secret, []byte(authority+"-----BEGIN PRIVATE "+"KEY-----\nAAAA\n-----END PRIVATE "+"KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, text := range map[string]string{
		"k8s print-kubeconfig --server https://k":                                            "--name",
		"k8s print-kubeconfig --name a/b --server https://k":                                 "--name",
		"k8s print-kubeconfig --name a --server http://k":                                    "without TLS",
		"k8s print-kubeconfig --name a --server https://u:p@k":                               "no URL of a cluster",
		"k8s print-kubeconfig --name a --server https://k --certificate-authority /none":     "no such file",
		"k8s print-kubeconfig --name a --server https://k --certificate-authority " + secret: "private key",
		"k8s print-kubeconfig --name a --server https://k --certificate-authority " + config: "no certificate",
	} {
		f.run(t, nil, strings.Fields(line)...).misused(t, text)
	}
}

type kubeconfigText struct {
	Current  string `yaml:"current-context"`
	Clusters []struct{ Name string }
	Contexts []struct{ Name string }
	Users    []struct {
		Name string
		User struct {
			Exec struct {
				APIVersion      string `yaml:"apiVersion"`
				InteractiveMode string `yaml:"interactiveMode"`
				Command         string
				Args            []string
			}
		}
	}
}

// authority is a certificate that signs nothing.
const authority = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUPNwLw4lDF0srz8SuSiW8CjJmND0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyMzAzMDU1M1oYDzIxMjYxMDMw
MDMwNTUzWjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATOOKaEoTOAwnwCVMPjsXdvaEM5kSzbg6HHPkwm3TYGX3En8IdgYgCF
Emi03UrmPWW4FMKpIVg+c9/I9MX+8+cTo1MwUTAdBgNVHQ4EFgQUSfaujzO9UEno
Pa62vtL2alzNn0kwHwYDVR0jBBgwFoAUSfaujzO9UEnoPa62vtL2alzNn0kwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA7pz5u4g+xJUq8FzV7PPt
Xh2tr/xc8V9IBoebF0Oi4CkCIBR3QJD5GcmS+6I3lnsSkwNFyU+qLAHEfa6YQ7XK
c9Zd
-----END CERTIFICATE-----
`

// runIn runs a command with standard input and an environment of its own.
func (f *fake) runIn(t *testing.T, environ []string, stdin string, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := cli.Run(t.Context(), cli.Environment{Environ: append(environ, "YC_ENDPOINT="+f.endpoint),
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr, Now: time.Now}, args[0], args[1:])
	return ran{stdout.String(), stderr.String(), err}
}

// profileWithKey is a config file whose one profile has a key.
func profileWithKey(t *testing.T) string {
	t.Helper()
	var fields map[string]string
	if err := json.Unmarshal([]byte(keyText(t)), &fields); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(map[string]any{"current": "p", "profiles": map[string]any{"p": map[string]any{"service-account-key": fields}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
