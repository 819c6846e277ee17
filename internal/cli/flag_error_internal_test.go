package cli

import (
	"strings"
	"testing"
)

// TestFlagErrors: what is wrong with a flag is said as people write it, with the
// flag that was meant, and never with what may be a secret.
func TestFlagErrors(t *testing.T) {
	var server anyServer
	const secret = "rt1.AAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBBBB"
	for line, want := range map[string]string{
		"iam role list --limti 3":                                      "unknown flag: --limti; did you mean --limit?",
		"iam role list -limti=3":                                       "unknown flag: --limti; did you mean --limit?",
		"iam service-account create x --lables a=b":                    "unknown flag: --lables; did you mean --labels?",
		"iam service-account create x --service-acount":                "unknown flag: --service-acount; `yc iam service-account create --help` lists those that there are",
		"iam role list --colour":                                       "unknown flag: --colour; `yc iam role list --help` lists those that there are",
		"iam role list --async":                                        "unknown flag: --async; `yc iam role list --help` lists those that there are",
		"iam role list --limit":                                        "flag needs an argument: --limit",
		"iam role list --limit=x":                                      `--limit: "x" is no whole number, or one that is too large`,
		"iam role list --limit 99999999999999999999":                   `--limit: "99999999999999999999" is no whole number, or one that is too large`,
		"iam role list ---limit=3":                                     `"---limit" is no flag`,
		"iam role list --=" + secret:                                   "is no flag",
		"iam role list --no-browser=perhaps":                           "--no-browser: it stands alone, or is =true or =false",
		"iam refresh-token revoke --refresh-token=" + secret:           "--refresh-token: it stands alone, or is =true or =false",
		"iam service-account create x --labels a":                      `--labels: "a" is not key=value`,
		"iam key create --algorithm dsa":                               `--algorithm: "dsa" is none of rsa-2048, rsa-4096`,
		"iam api-key create --expires-at soon":                         `--expires-at: "soon" is no RFC 3339 time such as 2030-01-02T15:04:05Z`,
		"iam access-key issue-ephemeral --session-name x --duration 1": `--duration: "1" is no length of time such as 1h30m`,
		"iam role list t1.AAAAAAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB": "unexpected argument \"t1.****\"",
		"--limit x iam role list":    `--limit: "x" is no whole number, or one that is too large`,
		"--colour 3 iam role list":   "unknown flag: --colour",
		"--lmit 3 iam role list":     "unknown flag: --lmit",
		"--formt json iam role list": "unknown flag: --formt; did you mean --format?",
		"iam role lst":               "there is no command \"yc iam role lst\"; did you mean list? `yc iam role --help` lists what there is",
	} {
		_, stderr, code := server.run(t, Environment{}, strings.Fields(line)...)
		if code != exitMisused || !strings.Contains(stderr, want) || strings.Contains(stderr, secret) {
			t.Errorf("%s: %d, %q, want %q", line, code, stderr, want)
		}
	}
}
