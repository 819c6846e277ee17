package metadata_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/metadata"
)

const (
	credentialsPath = "/latest/meta-data/iam/security-credentials/default"
	sessionTTL      = "X-aws-ec2-metadata-token-ttl-seconds: "
	sessionToken    = "X-aws-ec2-metadata-token: "
)

func session(t testing.TB, d http.Handler, client string, seconds int) string {
	t.Helper()
	w := askFrom(d, client, "PUT", "/latest/api/token", sessionTTL+fmt.Sprint(seconds))
	if w.Code != 200 || w.Header().Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != fmt.Sprint(seconds) {
		t.Fatalf("a session token: %d %q %v", w.Code, w.Body, w.Header())
	}
	return sessionToken + w.Body.String()
}

func TestSecondVersion(t *testing.T) {
	d := full(t)
	s := session(t, d, "10.0.0.5:1", 60)
	for _, c := range []struct{ path, want string }{
		{"/latest/", "dynamic/\nmeta-data/\nuser-data\nvendor/"},
		{"/latest", "dynamic/\nmeta-data/\nuser-data\nvendor/"},
		{"/latest/meta-data/", "hostname\ninstance-id\nlocal-hostname\nlocal-ipv4\nmac\nnetwork/\nplacement/"},
		{"/latest/meta-data/instance-id", "epd1"},
		{"/2009-04-04/meta-data/instance-id", "epd1"},
		{"/latest/meta-data/hostname", "vm.ru-central1.internal"},
		{"/latest/meta-data/local-ipv4", "10.0.0.5"},
		{"/latest/meta-data/mac", "d0:0d:12:2f:84:2e"},
		{"/latest/meta-data/network/interfaces/macs/", "d0:0d:12:2f:84:2e/"},
		{"/latest/meta-data/network/interfaces/macs/d0:0d:12:2f:84:2e/local-ipv4s", "10.0.0.5"},
		{"/latest/meta-data/placement/availability-zone", "ru-central1-d"},
		{"/latest/meta-data/placement/region", "ru-central1"},
		{"/latest/meta-data/iam/security-credentials/", "default"},
		{"/latest/meta-data/iam/security-credentials", "default"},
		{"/latest/user-data", "#cloud-config\n"},
		{"/latest/user-data/", "#cloud-config\n"},
	} {
		if w := ask(d, "GET", c.path, s); w.Code != 200 || w.Body.String() != c.want {
			t.Errorf("%s: %d %q, want %q", c.path, w.Code, w.Body, c.want)
		}
	}
	var doc struct{ InstanceID string }
	if w := ask(d, "GET", "/latest/dynamic/instance-identity/document", s); json.Unmarshal(w.Body.Bytes(), &doc) != nil || doc.InstanceID != "epd1" {
		t.Errorf("document: %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/latest/meta-data/instance-id/", "/latest/meta-data/none", "/latest/meta-data/iam/security-credentials/other", credentialsPath + "/", "/latest/dynamic/instance-identity/pkcs7", "/2020-01-01/meta-data/"} {
		if w := ask(d, "GET", path, s, flavour); w.Code != 404 {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
}

func TestSecondVersionGivesAnAccessKey(t *testing.T) {
	d := full(t)
	w := ask(d, "GET", credentialsPath, session(t, d, "10.0.0.5:1", 60))
	want := `{"Code":"Success","LastUpdated":"2026-11-23T11:59:00Z","Type":"AWS-HMAC","AccessKeyId":"YCkey","SecretAccessKey":"YCsecret","Token":"s1.session","Expiration":"2026-11-23T23:50:17Z"}`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", w.Code, diff)
	}
}

func TestFirstVersionGivesAnIAMToken(t *testing.T) {
	d := door(t, metadata.Config{Accounts: metadata.Everyone(good()), Options: metadata.Options{AWSv1Endpoint: metadata.Enabled, AWSv1Token: metadata.Enabled}})
	w := ask(d, "GET", credentialsPath)
	want := `{"Code":"Success","LastUpdated":"2026-11-23T11:00:00Z","Type":"IAM","Token":"t1.a.b","Expiration":"2026-11-23T23:50:17Z"}`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Errorf("%d %s", w.Code, diff)
	}
	// One who has a session is of the second version, whatever the first allows.
	if w := ask(d, "GET", credentialsPath, sessionToken+"wrong"); w.Code != 401 {
		t.Errorf("with a wrong session: %d", w.Code)
	}
}

func TestSessionTokens(t *testing.T) {
	now := epoch
	d := door(t, metadata.Config{Accounts: metadata.Everyone(good()), Instance: machine(), Now: func() time.Time { return now }})
	s := session(t, d, "10.0.0.5:1", 60)
	get := func(client string, headers ...string) int {
		return askFrom(d, client, "GET", "/latest/meta-data/instance-id", headers...).Code
	}
	text := strings.TrimPrefix(s, sessionToken)
	other := full(t)
	for name, c := range map[string]struct {
		client  string
		headers []string
		code    int
	}{
		"from its client":           {"10.0.0.5:9", []string{s}, 200},
		"from the same, mapped":     {"[::ffff:10.0.0.5]:9", []string{s}, 200},
		"from another client":       {"10.0.0.6:9", []string{s}, 401},
		"none":                      {"10.0.0.5:9", nil, 401},
		"empty":                     {"10.0.0.5:9", []string{sessionToken}, 401},
		"twice":                     {"10.0.0.5:9", []string{s, s}, 401},
		"of another door":           {"10.0.0.5:9", []string{session(t, other, "10.0.0.5:1", 60)}, 401}, // as after a restart
		"cut":                       {"10.0.0.5:9", []string{s[:len(s)-1]}, 401},
		"longer":                    {"10.0.0.5:9", []string{s + "A"}, 401},
		"padded":                    {"10.0.0.5:9", []string{s + "="}, 401},
		"another end":               {"10.0.0.5:9", []string{sessionToken + text[:4] + flip(text[4:])}, 401},
		"another MAC":               {"10.0.0.5:9", []string{sessionToken + text[:75] + flip(text[75:])}, 401},
		"of IPv6, another zone":     {"[fe80::1%eth1]:9", []string{session(t, d, "[fe80::1%eth0]:1", 60)}, 401},
		"of IPv6, the same zone":    {"[fe80::1%eth0]:9", []string{session(t, d, "[fe80::1%eth0]:1", 60)}, 200},
		"a client that is a prefix": {"10.0.0.55:9", []string{session(t, d, "10.0.0.5:1", 60)}, 401},
	} {
		if got := get(c.client, c.headers...); got != c.code {
			t.Errorf("%s: %d, want %d", name, got, c.code)
		}
	}
	now = now.Add(59 * time.Second)
	if got := get("10.0.0.5:9", s); got != 200 {
		t.Errorf("a second before its end: %d", got)
	}
	now = now.Add(time.Second)
	if got := get("10.0.0.5:9", s); got != 401 {
		t.Errorf("at its end: %d", got)
	}
}

// flip changes the first character.
func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func TestSessionLife(t *testing.T) {
	for life, code := range map[string]int{"1": 200, "21600": 200, "0": 400, "21601": 400, "-1": 400, "+1": 400, "": 400, "1.5": 400, "1e3": 400, " 60": 400, "060": 400,
		"0x10": 400, "99999999999999999999": 400, "٦": 400} {
		if w := ask(full(t), "PUT", "/latest/api/token", sessionTTL+life); w.Code != code {
			t.Errorf("%q: %d, want %d", life, w.Code, code)
		}
	}
	if w := ask(full(t), "PUT", "/latest/api/token", sessionTTL+"60", sessionTTL+"60"); w.Code != 400 {
		t.Errorf("twice: %d", w.Code)
	}
	if w := ask(full(t), "PUT", "/latest/api/token"); w.Code != 400 {
		t.Errorf("none: %d", w.Code)
	}
}

func TestUserDataForGoogle(t *testing.T) {
	for _, c := range []struct {
		options metadata.Options
		header  string
		code    int
	}{
		{metadata.Options{}, flavour, 200},
		{metadata.Options{}, "Accept: */*", 401},
		{metadata.Options{GCEEndpoint: metadata.Disabled}, flavour, 401},
	} {
		d := door(t, metadata.Config{Instance: machine(), Options: c.options})
		if w := ask(d, "GET", "/latest/user-data", c.header); w.Code != c.code {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
	if w := ask(door(t, metadata.Config{}), "GET", "/latest/user-data", flavour); w.Code != 404 {
		t.Errorf("without any: %d", w.Code)
	}
}

// A limit that cannot be set is not passed over: the token could leave.
func TestHopLimitNeedsAConnection(t *testing.T) {
	d := door(t, metadata.Config{HopLimit: 1})
	if w := ask(d, "PUT", "/latest/api/token", sessionTTL+"60"); w.Code != 500 || strings.Contains(w.Body.String(), "AAA") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}
