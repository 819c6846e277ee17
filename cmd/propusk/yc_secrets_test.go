package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/keyfile"
)

// TestClientDebugShowsNoSecret: every command that sends or gets a secret, with
// all that there is to tell, well and badly: none is told on standard error or
// in the logs of runs that failed.
func TestClientDebugShowsNoSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	account, folder := p.env(t)["SERVICE_ACCOUNT_ID"], p.env(t)["FOLDER_ID"]
	oauth := p.env(t)["OAUTH_TOKEN"]
	home := filepath.Join(dir, ".config", "propusk")
	secrets := map[string]string{"OAuth token": oauth}
	for _, name := range []string{"key.json", "admin-key.json"} {
		key, err := keyfile.Read(filepath.Join(dir, "d", name))
		if err != nil {
			t.Fatal(err)
		}
		secrets[name] = pemBody(t, key.PrivateKey.Reveal())
	}
	const typed = "rt1.notarefreshtokenbutlookslikeone"
	var told strings.Builder
	debugged := 0
	yc := func(code int, env []string, args ...string) string {
		t.Helper()
		cmd := exec.Command("yc", append(args, "--debug-grpc", "--format", "json")...)
		cmd.Dir, cmd.Env = dir, append([]string{"HOME=" + dir, "YC_ENDPOINT=" + p.grpc}, env...)
		cmd.Stdin = strings.NewReader(typed)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%v: exit code %d, want %d: %s", args, got, code, &errs)
		}
		if strings.Contains(errs.String(), "debug: sent ") {
			debugged++
		}
		told.WriteString(errs.String())
		var answer any
		if json.Unmarshal(out.Bytes(), &answer) == nil {
			gather(answer, strings.Join(args, " "), secrets)
		}
		return out.String()
	}
	yc(0, nil, "config", "profile", "create", "admin")
	yc(0, nil, "config", "set", "service-account-key", "d/admin-key.json")
	yc(0, nil, "config", "set", "folder-id", folder)
	yc(0, nil, "iam", "create-token")
	yc(0, []string{"YC_TOKEN=" + oauth}, "iam", "create-token")
	yc(0, nil, "iam", "create-token", "--token", oauth)
	yc(0, nil, "iam", "create-token", "--key-file", "d/key.json")
	yc(0, nil, "iam", "service-account", "add-access-binding", "--id", account, "--role", "iam.serviceAccounts.tokenCreator", "--subject", "serviceAccount:"+adminID(t, dir))
	yc(0, nil, "iam", "create-token", "--impersonate-service-account-id", account)
	yc(0, nil, "iam", "key", "create", "--service-account-id", account, "--algorithm", "rsa-2048")
	yc(0, nil, "iam", "key", "create", "--service-account-id", account, "--algorithm", "rsa-2048", "--output", "made.json")
	made, err := keyfile.Read(filepath.Join(dir, "made.json"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["made.json"] = pemBody(t, made.PrivateKey.Reveal())
	yc(0, nil, "iam", "api-key", "create", "--service-account-id", account)
	yc(0, nil, "iam", "access-key", "create", "--service-account-id", account)
	yc(0, nil, "iam", "access-key", "issue-ephemeral", "--session-name", "tests")
	yc(0, nil, "iam", "create-id-token", "--subject-id", account, "--audience", "https://x.example")
	yc(0, nil, "iam", "oauth-client", "create", "wiki", "--profile-id", "web", "--redirect-uris", "https://wiki.example.com/a")
	yc(0, nil, "iam", "oauth-client-secret", "create", "--oauth-client-name", "wiki")
	spare := yc(0, []string{"YC_TOKEN=" + oauth}, "iam", "create-token", "--jq", ".iam_token")
	secrets["spare token"] = strings.TrimSpace(spare)
	yc(0, nil, "iam", "revoke-token", "--iam-token", strings.TrimSpace(spare))
	// Where a secret stands in the wrong place, and is refused with what was sent.
	yc(1, []string{"YC_IAM_TOKEN=" + strings.TrimSpace(spare)}, "iam", "service-account", "get", account)
	yc(1, nil, "iam", "create-token", "--token", oauth[:len(oauth)-1]+"x")
	yc(1, nil, "iam", "refresh-token", "revoke", "-y", "--refresh-token")
	secrets["refresh token"] = typed
	yc(1, nil, "iam", "service-account", "get", strings.TrimSpace(spare))
	yc(1, nil, "iam", "service-account", "get", oauth)
	yc(1, nil, "iam", "role", "get", strings.TrimSpace(spare))
	yc(1, nil, "iam", "service-account", "create", "--name", strings.TrimSpace(spare))
	yc(1, nil, "iam", "service-account", "create", "--name", "x", "--labels", "a="+oauth)
	if len(secrets) < 15 || debugged < 15 {
		t.Errorf("%d secrets only, in %d runs that told what they sent", len(secrets), debugged)
	}
	logs, err := filepath.Glob(filepath.Join(home, "logs", "*.txt"))
	if err != nil || len(logs) < 6 {
		t.Errorf("%d logs, %v", len(logs), err)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		told.Write(text)
	}
	for name, secret := range secrets {
		if i := strings.Index(told.String(), secret); i >= 0 {
			t.Errorf("%s is told: %s", name, around(told.String(), i, len(secret)))
		}
	}
}

func around(text string, i, n int) string { return text[max(0, i-300):min(len(text), i+n+20)] }

func adminID(t *testing.T, dir string) string {
	t.Helper()
	key, err := keyfile.Read(filepath.Join(dir, "d", "admin-key.json"))
	if err != nil {
		t.Fatal(err)
	}
	return key.ServiceAccountID
}

// gather notes what of an answer is a secret, by the names of the fields.
func gather(v any, from string, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			text, isText := value.(string)
			switch name {
			case "iam_token", "id_token", "secret", "secret_value", "session_token", "private_key":
				if isText {
					if lines := strings.Split(text, "\n"); len(lines) > 10 {
						text = lines[len(lines)/2]
					}
					into[from+" "+name] = text[strings.LastIndexByte(text, '.')+1:]
				}
			}
			gather(value, from, into)
		}
	case []any:
		for _, x := range v {
			gather(x, from, into)
		}
	}
}
