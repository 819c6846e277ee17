package sts_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/server"
)

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account(t, "signer")
	k := w.static(t, account)
	for seconds, want := range map[string]time.Duration{"": time.Hour, "900": 15 * time.Minute, "43200": 12 * time.Hour} {
		body := role()
		if seconds != "" {
			body = role("DurationSeconds", seconds)
		}
		before := w.now()
		a := w.signed(t, k, body)
		c := a.Credentials
		if life := c.Expiration.Sub(before); a.status != http.StatusOK || life > want+2*time.Second || life < want-2*time.Second {
			t.Fatalf("%q: %d %s: a life of %v, want %v", seconds, a.status, a.code, life, want)
		}
		if c.AccessKeyId != k.id || !strings.HasPrefix(c.SecretAccessKey, "YC") || !strings.HasPrefix(c.SessionToken, "s1.") || c.SecretAccessKey == k.secret {
			t.Errorf("%q: key %s, a secret of %d characters, a token of %d", seconds, c.AccessKeyId, len(c.SecretAccessKey), len(c.SessionToken))
		}
		if a.User.Arn != "any-text-of-twenty-characters/night-job" || a.User.AssumedRoleId != account+":night-job" {
			t.Errorf("%q: %+v", seconds, a.User)
		}
	}
	// The journal's line names everything but the secrets.
	lines, err := w.Server.Server.AuditList(t.Context(), server.AuditListRequest{Type: "iam.awscompatibility.CreateTemporaryAccessKey", Limit: 10})
	if err != nil || len(lines.Events) != 3 {
		t.Fatalf("%d audit lines (%v), want 3", len(lines.Events), err)
	}
	for _, part := range []string{k.row, account, "night-job", "expires_at", "session_id", "signing_key_id"} {
		if !strings.Contains(string(lines.Events[0]), part) {
			t.Errorf("the audit line lacks %s: %s", part, lines.Events[0])
		}
	}
	if strings.Contains(string(lines.Events[0]), "s1.") {
		t.Error("the audit line has a session token")
	}
}

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account(t, "signer")
	k := w.static(t, account)
	a := w.signed(t, k, whoami)
	if want := "arn:aws:iam::" + w.FolderID + ":user/" + account; a.Who.Arn != want || a.Who.Account != w.FolderID || a.Who.UserId != account {
		t.Errorf("a static key: %d %+v, want %s", a.status, a.Who, want)
	}
	child := w.signed(t, k, role()).key()
	a = w.signed(t, child, whoami)
	if want := "arn:aws:sts::" + w.FolderID + ":assumed-role/" + account + "/night-job"; a.Who.Arn != want || a.Who.Account != w.FolderID || a.Who.UserId != account+":night-job" {
		t.Errorf("a temporary key: %d %s %+v, want %s", a.status, a.code, a.Who, want)
	}
	// In a header and in the query, by either way in.
	for _, target := range []string{"/?" + whoami, "/sts?" + whoami, "/sts/?" + whoami} {
		for _, s := range []signer{{key: k}, {key: child}, {key: k, presign: 60}, {key: child, presign: 60}, {key: k, presign: 7 * 86400}} {
			r := w.request(t, "GET", target, "")
			s.at, s.service = w.now(), "sts"
			s.sign(r, "")
			if a := w.send(t, r, s.secret, s.token); a.status != http.StatusOK || !strings.HasPrefix(a.Who.UserId, account) {
				t.Errorf("GET %s, presigned for %d s: %d %s %s", target, s.presign, a.status, a.code, a.message)
			}
		}
	}
	// What is no question for this door stays with the others.
	if r := w.Get(t, "", "/"); r.Code != http.StatusNotFound || !strings.Contains(r.Header.Get("Content-Type"), "json") {
		t.Errorf("GET /: %d %s", r.Code, r.Header.Get("Content-Type"))
	}
}

// What dies with the static key, the account, and by a policy.
func TestEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account(t, "signer")
	k, other := w.static(t, account), w.static(t, account)
	child, sibling := w.signed(t, k, role()).key(), w.signed(t, other, role()).key()
	refused := func(what string, k key, body, code string) {
		t.Helper()
		if a := w.signed(t, k, body); a.status != http.StatusForbidden || a.code != code {
			t.Errorf("%s: %d %s %s, want %s", what, a.status, a.code, a.message, code)
		}
	}
	alive := func(what string, k key) {
		t.Helper()
		if a := w.signed(t, k, whoami); a.status != http.StatusOK {
			t.Errorf("%s: %d %s %s", what, a.status, a.code, a.message)
		}
	}
	refused("a temporary key makes another", child, role(), "AccessDenied")
	alive("the child", child)
	w.rest(t, "DELETE", accessKeys+"/"+k.row, nil, nil)
	refused("the deleted key", k, whoami, "SignatureDoesNotMatch")
	refused("the deleted key makes another", k, role(), "SignatureDoesNotMatch")
	refused("the deleted key's child", child, whoami, "InvalidClientTokenId")
	alive("another key's child", sibling)

	const template = "iam.denyServiceAccountCredentialsCreation"
	bind := func(kind, id string) string { return "/resource-manager/v1/" + kind + "/" + id }
	for kind, id := range map[string]string{"folders": w.FolderID, "clouds": w.CloudID} {
		w.rest(t, "POST", bind(kind, id)+":bindAccessPolicy", map[string]any{"accessPolicyBinding": map[string]string{"accessPolicyTemplateId": template}}, nil)
		a := w.signed(t, other, role())
		if a.code != "AccessDenied" || !strings.Contains(a.message, template) {
			t.Errorf("a policy on %s: %d %s %s", kind, a.status, a.code, a.message)
		}
		alive("what was made before", sibling)
		w.rest(t, "POST", bind(kind, id)+":unbindAccessPolicy", map[string]string{"accessPolicyTemplateId": template}, nil)
		if a := w.signed(t, other, role()); a.status != http.StatusOK {
			t.Errorf("without the policy on %s: %d %s %s", kind, a.status, a.code, a.message)
		}
	}

	w.rest(t, "POST", "/iam/v1/serviceAccounts/"+account+":suspend", map[string]string{}, nil)
	refused("a suspended account's key", other, whoami, "InvalidClientTokenId")
	refused("a suspended account's child", sibling, whoami, "InvalidClientTokenId")
}

// A key lives no longer than its account.
func TestExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	end := time.Now().Add(20 * time.Minute).Truncate(time.Second).UTC()
	k := w.static(t, w.account(t, "short", "expiresAt", end.Format(time.RFC3339)))
	a := w.signed(t, k, role("DurationSeconds", "43200"))
	if !a.Credentials.Expiration.Equal(end) {
		t.Errorf("%d %s: the key lives until %v, its account until %v", a.status, a.code, a.Credentials.Expiration, end)
	}
	other := w.static(t, w.account(t, "long"))
	child := w.signed(t, other, role("DurationSeconds", "900")).key()
	w.forward(15*time.Minute + time.Second)
	if a := w.signed(t, child, whoami); a.status != http.StatusForbidden || a.code != "ExpiredToken" {
		t.Errorf("an expired key: %d %s %s", a.status, a.code, a.message)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.static(t, w.account(t, "signer"))
	const allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`
	pad := func(n int) string { return allow + strings.Repeat(" ", n-len(allow)) }
	for name, c := range map[string]struct {
		policy, code, says string
	}{
		"fine":                {allow, "", ""},
		"of 2,048 characters": {pad(2048), "", ""},
		"of 2,049 characters": {pad(2049), "ValidationError", "Policy: "},
		"NotAction":           {strings.Replace(allow, `"Action"`, `"NotAction"`, 1), "MalformedPolicyDocument", "NotAction"},
		"an unknown key":      {strings.Replace(allow, `"Version"`, `"Versoin"`, 1), "MalformedPolicyDocument", "Versoin"},
		"a condition":         {strings.Replace(allow, `"Effect"`, `"Condition":{},"Effect"`, 1), "MalformedPolicyDocument", "Condition"},
		"no JSON":             {"all of it", "MalformedPolicyDocument", "JSON"},
		"too many bytes":      {strings.Replace(allow, "bucket/*", "bucket/"+strings.Repeat("\U0001F511", 1100), 1), "PackedPolicyTooLarge", "bytes"},
	} {
		a := w.signed(t, k, role("Policy", c.policy))
		if a.code != c.code || (c.code == "") != (a.status == http.StatusOK) || !strings.Contains(a.message, c.says) {
			t.Errorf("%s: %d %s %q, want %q with %q", name, a.status, a.code, a.message, c.code, c.says)
		}
	}
}

// Parameters out of their bounds, named as the client has named them.
func TestBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.static(t, w.account(t, "signer"))
	for name, c := range map[string]struct{ field, value, code string }{
		"899 s":                     {"DurationSeconds", "899", "ValidationError"},
		"43,201 s":                  {"DurationSeconds", "43201", "ValidationError"},
		"a role of 19 characters":   {"RoleArn", strings.Repeat("r", 19), "ValidationError"},
		"a role of 20 characters":   {"RoleArn", strings.Repeat("r", 20), ""},
		"no role":                   {"RoleArn", "", "ValidationError"},
		"a role of AWS's form":      {"RoleArn", "arn:aws:iam::123456789012:role/x_y-z", ""},
		"markup in the role":        {"RoleArn", "<!-- twenty characters -->", "ValidationError"},
		"a name of 1 character":     {"RoleSessionName", "n", "ValidationError"},
		"a name of 64 characters":   {"RoleSessionName", strings.Repeat("n", 64), ""},
		"a name of 65 characters":   {"RoleSessionName", strings.Repeat("n", 65), "ValidationError"},
		"a name with a slash":       {"RoleSessionName", "a/b", "ValidationError"},
		"a name with a line's end":  {"RoleSessionName", "night\njob", "ValidationError"},
		"no name":                   {"RoleSessionName", "", "ValidationError"},
		"a name in another writing": {"RoleSessionName", "ночь", "ValidationError"},
	} {
		a := w.signed(t, k, role(c.field, c.value))
		if a.code != c.code || (c.code == "") != (a.status == http.StatusOK) || c.code != "" && (a.status != 400 || !strings.Contains(a.message, c.field)) {
			t.Errorf("%s: %d %s %q, want %q about %s", name, a.status, a.code, a.message, c.code, c.field)
		}
	}
}
