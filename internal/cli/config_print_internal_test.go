package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfigForms: what the file of profiles holds is printed as it stands
// there, and in another form where the command line says so, never for the sake
// of the profile's own form.
func TestConfigForms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := "current: a\nprofiles:\n  a:\n    token: y0_" + strings.Repeat("A", 50) + "\n    cloud-id: \"007\"\n    format: json\n    services:\n      iam:\n        version: v1\n  b:\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var server anyServer
	for line, want := range map[string]string{
		"config list --profile b":                                   "{}\n",
		"config list --profile b --format json":                     "{}\n",
		"config profile get b":                                      "{}\n",
		"config list --jq .token":                                   "y0_AAAAA...AAAA\n",
		"config list --query .services.iam.version":                 "v1\n",
		"config list --format json --jq .format":                    "json\n",
		"config profile get a --format json --jq [.[\"cloud-id\"]]": "[\"007\"]\n",
		"config get cloud-id":                                       "007\n",
		"config get cloud-id --format json":                         "\"007\"\n",
		"config get cloud-id --jq .":                                "007\n",
		"config get folder-id":                                      "",
		"config get folder-id --format json":                        "\"\"\n",
		"config get services.iam.version --format text":             "v1\n",
	} {
		stdout, stderr, code := server.run(t, Environment{Environ: []string{"YC_CONFIG=" + path, "YC_CLI_INITIALIZATION_SILENCE=true"}}, strings.Fields(line)...)
		if code != 0 || stdout != want || stderr != "" {
			t.Errorf("%s: %d, %q, %q, want %q", line, code, stdout, stderr, want)
		}
	}
	if stdout, _, code := server.run(t, Environment{Environ: []string{"YC_CONFIG=" + path}}, "config", "list"); code != 0 || !strings.HasPrefix(stdout, "token: y0_AAAAA...AAAA\ncloud-id: \"007\"\nformat: json\n") {
		t.Errorf("%d, %q", code, stdout)
	}
	if stdout, stderr, code := server.run(t, Environment{Environ: []string{"YC_CONFIG=" + path}}, "config", "list", "--format", "xml"); code != exitMisused || stdout != "" || !strings.Contains(stderr, "--format: \"xml\" is none of") {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
}
