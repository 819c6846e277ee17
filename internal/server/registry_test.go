package server_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

// harbor is a server with registries, and an account without roles.
type harbor struct {
	*cluster
	who   string // id of the account
	file  string // its key file
	token string // its IAM token
}

const (
	nearRegistry, sharedRegistry, farRegistry = "crpnear", "crpshared", "crpfar"

	registryKind = "container-registry.registry"
)

func newHarbor(t *testing.T) *harbor {
	t.Helper()
	roles := filepath.Join(t.TempDir(), "roles.yaml")
	if err := os.WriteFile(roles, []byte("roles:\n  - id: acme.pushes\n    description: Pushes and does not pull.\n    permissions: [container-registry.images.push]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := newCluster(t, server.Config{Roles: []string{roles}, Registries: []server.Registry{
		{Service: "cr.example.com"}, {Service: "mapped", Resource: sharedRegistry}, {Service: "set", Keys: server.RegistryKeySet}}})
	c := k.colleague(t)
	for id, folder := range map[string]string{nearRegistry: k.home.FolderID, sharedRegistry: k.home.FolderID, farRegistry: k.far.FolderID} {
		k.update(t, func(tx *store.Tx) error {
			return store.InsertRegistered(tx, &iam.RegisteredResource{ID: id, Type: registryKind, ParentID: folder, CreatedAt: tx.Now()})
		})
	}
	return &harbor{k, c.ServiceAccountID, c.KeyFile, k.tokenOf(t, c.KeyFile)}
}

// berth is what a client reads.
type berth struct {
	status int
	text   string // of the error, or ""
	access []string
	claims map[string]any
	header map[string]any
	life   int
}

// asks asks for a token. Scopes are those of the request, separated by spaces.
func (h *harbor) asks(t *testing.T, service, user, password, scopes string) (b berth) {
	t.Helper()
	query := url.Values{"service": {service}, "account": {user}}
	if scopes != "" {
		query["scope"] = strings.Fields(scopes)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.HTTPAddr()+"/v2/token/?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if user+password != "" {
		r.SetBasicAuth(user, password)
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
	var answer struct {
		Token  string
		Life   int `json:"expires_in"`
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	b.status, b.life = res.StatusCode, answer.Life
	if len(password) > 20 && strings.Contains(string(text), password[:20]) {
		t.Errorf("the password is sent back: %s", text)
	}
	if len(answer.Errors) > 0 {
		b.text = answer.Errors[0].Code + ": " + answer.Errors[0].Message
		return b
	}
	for i, into := range []any{&b.header, &b.claims} {
		part, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.Token, ".")[i])
		if err != nil || json.Unmarshal(part, into) != nil {
			t.Fatal(err)
		}
	}
	for _, a := range b.claims["access"].([]any) {
		m := a.(map[string]any)
		line := m["type"].(string)
		if class, ok := m["class"]; ok {
			line += "(" + class.(string) + ")"
		}
		var actions []string
		for _, x := range m["actions"].([]any) {
			actions = append(actions, x.(string))
		}
		b.access = append(b.access, line+":"+m["name"].(string)+":"+strings.Join(actions, ","))
	}
	return b
}

func (b berth) grants(t *testing.T, what string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, b.access); b.status != http.StatusOK || diff != "" {
		t.Errorf("%s: %d %s\n%s", what, b.status, b.text, diff)
	}
}

func (b berth) refuses(t *testing.T, what string, status int, phrase string) {
	t.Helper()
	if b.status != status || !strings.Contains(b.text, phrase) {
		t.Errorf("%s: %d %s %v, want %d %q", what, b.status, b.text, b.access, status, phrase)
	}
}

func TestRegistryTokenSaysWhoAndWhat(t *testing.T) {
	h := newHarbor(t)
	h.bind(t, nearRegistry, "container-registry.images.pusher", h.who)
	apiKey := h.apiKey(t, "propusk.container-registry.push") // of home's owner
	for user, c := range map[string]struct{ password, who string }{
		"iam": {h.token, h.who}, "json_key": {h.file, h.who}, "api_key": {apiKey, h.home.ServiceAccountID},
	} {
		b := h.asks(t, "cr.example.com", user, c.password, "repository:"+nearRegistry+"/app:pull,push")
		b.grants(t, user, "repository:"+nearRegistry+"/app:pull,push")
		if b.claims["sub"] != c.who || b.claims["aud"] != "cr.example.com" || b.claims["iss"] != "http://"+h.HTTPAddr() || b.life != 300 || b.header["x5c"] == nil {
			t.Errorf("%s: %v, life %d", user, b.claims, b.life)
		}
		h.asks(t, "cr.example.com", user, c.password, "").grants(t, user+" signs in")
	}
	if b := h.asks(t, "set", "iam", h.token, ""); b.header["x5c"] != nil || b.claims["aud"] != "set" {
		t.Errorf("%v", b.header)
	}
}

func TestRegistryTokenHoldsWhatOneMay(t *testing.T) {
	h := newHarbor(t)
	near, shared := "repository:"+nearRegistry+"/app:", "repository:"+sharedRegistry+"/app:"
	ask := func(scopes string) berth { return h.asks(t, "cr.example.com", "iam", h.token, scopes) }
	// What is not granted is answered alike, whether there is something or not.
	var texts []string
	for _, id := range []string{nearRegistry, farRegistry, "crpnothing", h.home.FolderID, h.far.OrganizationID, h.home.ServiceAccountID, strings.Repeat("x", 200)} {
		b := ask("repository:" + id + "/app:pull")
		b.refuses(t, id, http.StatusForbidden, "needs the permission container-registry.images.pull on the registry "+id)
		text, _, _ := strings.Cut(strings.ReplaceAll(b.text, id, "ID"), " [request id")
		texts = append(texts, text)
	}
	if all := slices.Compact(texts); len(all) != 1 {
		t.Errorf("different answers: %q", all)
	}
	ask("repository:app:pull").refuses(t, "no registry", http.StatusForbidden, "does not begin with a registry's id")
	ask("registry:catalog:*").refuses(t, "the catalog of all", http.StatusForbidden, "nobody may read it")
	ask("thing:x:pull").refuses(t, "another type", http.StatusForbidden, "does not exist here")

	h.bind(t, nearRegistry, "container-registry.images.puller", h.who)
	ask(near+"pull").grants(t, "a puller", near+"pull")
	ask(near+"pull,look").grants(t, "what nobody knows", near+"pull")
	ask("repository(plugin):"+nearRegistry+"/app:pull").grants(t, "a plugin", "repository(plugin):"+nearRegistry+"/app:pull")
	ask("repository(other):"+nearRegistry+"/app:pull").refuses(t, "another class", http.StatusForbidden, "does not exist here")
	for _, actions := range []string{"pull,push", "push", "pull,delete", "*", "pull,*"} {
		ask(near+actions).refuses(t, "a puller's "+actions, http.StatusForbidden, "needs the permission container-registry.images.")
	}
	ask(near+"pull "+shared+"pull,push").grants(t, "of two the one", near+"pull")
	ask(near+"pull,push "+near+"pull").refuses(t, "one thing in two scopes", http.StatusForbidden, "images.push")

	h.bind(t, sharedRegistry, "container-registry.images.pusher", h.who)
	ask(shared+"*").grants(t, "a pusher", shared+"*")
	ask(shared+"pull,push,delete "+near+"pull").grants(t, "a mount", shared+"pull,push,delete", near+"pull")

	h.bind(t, h.far.FolderID, "acme.pushes", h.who)
	far := "repository:" + farRegistry + "/app:"
	ask(far+"pull,push").grants(t, "pushing is not pulling", far+"push")
	ask(far+"pull").refuses(t, "pushing is not pulling", http.StatusForbidden, "images.pull")
	// A role that reaches further is none on what is no registry.
	ask("repository:"+h.far.FolderID+"/app:push").refuses(t, "a folder in a registry's place", http.StatusForbidden, "on the registry "+h.far.FolderID)

	mapped := func(scopes string) berth { return h.asks(t, "mapped", "iam", h.token, scopes) }
	mapped("repository:library/app:pull,push").grants(t, "a plain name", "repository:library/app:pull,push")
	mapped(near+"pull,push").grants(t, "the name says nothing there", near+"pull,push") // it is a repository of that registry
	mapped("registry:catalog:*").refuses(t, "the catalog", http.StatusForbidden, "container-registry.repositories.list on the registry "+sharedRegistry)
	h.bind(t, sharedRegistry, "container-registry.auditor", h.who)
	mapped("registry:catalog:*").grants(t, "the catalog", "registry:catalog:*")

	for _, service := range []string{"", "other", "CR.example.com", "cr.example.com."} {
		h.asks(t, service, "iam", h.token, "").refuses(t, "service "+service, http.StatusBadRequest, "")
	}
}

func TestRegistryTellsWhatIsWrong(t *testing.T) {
	h := newHarbor(t)
	h.bind(t, nearRegistry, "container-registry.images.pusher", h.who)
	near := "repository:" + nearRegistry + "/app:"
	pull, wrong := h.apiKey(t, "propusk.container-registry.pull"), h.apiKey(t, "yc.postbox.send")
	h.asks(t, "cr.example.com", "api_key", pull, near+"pull").grants(t, "a key for pulling", near+"pull")
	h.asks(t, "cr.example.com", "api_key", pull, near+"pull,push").refuses(t, "it pushes", http.StatusForbidden, "make one with the scope propusk.container-registry.push")
	h.asks(t, "cr.example.com", "api_key", wrong, near+"pull").refuses(t, "a key for mail", http.StatusForbidden, "make one with the scope propusk.container-registry.pull")

	secret, ended := credential.NewAPIKey()
	ended.ID, ended.ServiceAccountID, ended.Scopes = "ajeended0000000000000", h.who, []string{"propusk.container-registry.pull"}
	h.update(t, func(tx *store.Tx) error {
		ended.CreatedAt, ended.ExpiresAt = tx.Now().Add(-time.Hour), tx.Now().Add(-time.Minute)
		return store.InsertAPIKey(tx, ended)
	})
	short, soon := credential.NewAPIKey()
	soon.ID, soon.ServiceAccountID, soon.Scopes = "ajesoon00000000000000", h.who, []string{"propusk.container-registry.pull"}
	h.update(t, func(tx *store.Tx) error {
		soon.CreatedAt, soon.ExpiresAt = tx.Now(), tx.Now().Add(90*time.Second)
		return store.InsertAPIKey(tx, soon)
	})
	if b := h.asks(t, "cr.example.com", "api_key", short.Reveal(), near+"pull"); b.life > 90 || b.life < 80 {
		t.Errorf("a token of a key that ends in 90 s lives for %d s: %s", b.life, b.text)
	}
	key := func(change func(map[string]string)) string {
		var m map[string]string
		if err := json.Unmarshal([]byte(h.file), &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	other, err := keyfile.Parse([]byte(h.home.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ user, password, phrase string }{
		"garbage":               {"iam", "t1.x.y", "The token is invalid (the password of the user iam must be an IAM token)"},
		"an OAuth token as iam": {"iam", "y0_something", "The IAM token is an OAuth token"},
		"a key file as iam":     {"iam", h.file, "is an authorized key"},
		"an IAM token as oauth": {"oauth", h.token, "The OAuth token is an IAM token"},
		"a wrong OAuth token":   {"oauth", "y0_" + strings.Repeat("A", 55), "OAuth token is invalid or expired"},
		"a wrong API key":       {"api_key", "AQVN" + strings.Repeat("x", 36), "The API key is not valid"},
		"an ended API key":      {"api_key", secret.Reveal(), "has expired"},
		"a token as a key file": {"json_key", h.token, "The password is an IAM token (the password of the user json_key must be the whole text of an authorized-key file)"},
		"no JSON":               {"json_key", "hello", "not the JSON of an authorized-key file"},
		"a list":                {"json_key", "[]", "not the JSON of an authorized-key file"},
		"no id":                 {"json_key", "{}", "not the JSON of an authorized-key file"},
		"an unknown key":        {"json_key", key(func(m map[string]string) { m["id"] = "ajenothing0000000000" }), "unknown, has been deleted, or is not a key"},
		"a key of another":      {"json_key", key(func(m map[string]string) { m["service_account_id"] = h.home.ServiceAccountID }), "unknown, has been deleted, or is not a key"},
		"another's pair": {"json_key", key(func(m map[string]string) {
			m["public_key"], m["private_key"] = other.PublicKey, other.PrivateKey.Reveal()
		}), "is not that of the authorized key"},
		"a broken key":        {"json_key", key(func(m map[string]string) { m["private_key"] = "x" }), "The key file is not right: private_key"},
		"a field too many":    {"json_key", key(func(m map[string]string) { m["x"] = "y" }), "unknown field"},
		"an id twice":         {"json_key", strings.Replace(h.file, "{", `{"id":"ajenothing0000000000",`, 1), "given twice"},
		"an unknown user":     {"alice", h.token, "must be one of iam (an IAM token), oauth (an OAuth token), api_key"},
		"a user in capitals":  {"IAM", h.token, "must be one of iam"},
		"no user":             {"", h.token, "must be one of iam"},
		"no password":         {"iam", "", "The password is empty"},
		"a line at the end":   {"iam", h.token + "\n", "The token is invalid"},
		"the token as a user": {h.token, "x", "must be one of iam"},
	} {
		h.asks(t, "cr.example.com", c.user, c.password, near+"pull").refuses(t, what, http.StatusUnauthorized, c.phrase)
	}
	h.asks(t, "cr.example.com", "iam", strings.Repeat("x", 9000), "").refuses(t, "a long password", http.StatusBadRequest, "password")

	h.update(t, func(tx *store.Tx) error {
		return store.SetServiceAccountStatus(tx, h.who, iam.ServiceAccountSuspended, "a test")
	})
	for user, password := range map[string]string{"iam": h.token, "json_key": h.file, "api_key": short.Reveal()} {
		h.asks(t, "cr.example.com", user, password, near+"pull").refuses(t, user+" of a suspended account", http.StatusUnauthorized, "is suspended")
	}
}

// Keys that somebody makes up cost no more than a look-up, and those that name a
// key of this server no more than reading them.
func TestRegistryKeyFilesOfAnySize(t *testing.T) {
	h := newHarbor(t)
	huge := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xff", 4000)))
	for _, id := range []string{"ajekeyofcolleague000", "ajenothing0000000000"} {
		text, err := json.Marshal(map[string]string{"id": id, "service_account_id": h.who, "created_at": "2026-01-02T03:04:05Z", "key_algorithm": "RSA_4096",
			"public_key": "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "private_key": "-----BEGIN PRIVATE KEY-----\n" + huge + "\n-----END PRIVATE KEY-----\n"})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		h.asks(t, "cr.example.com", "json_key", string(text), "").refuses(t, id, http.StatusUnauthorized, "key")
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: %v", id, took)
		}
	}
}

func TestRegistryWithoutAPassword(t *testing.T) {
	h := newHarbor(t)
	near := "repository:" + nearRegistry + "/app:"
	h.asks(t, "cr.example.com", "", "", "").refuses(t, "nobody signs in", http.StatusUnauthorized, "no user name and password")
	h.asks(t, "cr.example.com", "", "", near+"pull").refuses(t, "before", http.StatusUnauthorized, "not public, or does not exist")
	h.update(t, func(tx *store.Tx) error {
		_, err := store.AddBinding(tx, nearRegistry, iam.AccessBinding{Role: "container-registry.images.puller", Subject: iam.Subject{ID: iam.AllUsers, Type: iam.TypeSystem}})
		return err
	})
	b := h.asks(t, "cr.example.com", "", "", near+"pull")
	b.grants(t, "public", near+"pull")
	if b.claims["sub"] != "" {
		t.Errorf("sub %v", b.claims["sub"])
	}
	h.asks(t, "cr.example.com", "", "", near+"pull,push").refuses(t, "it pushes", http.StatusUnauthorized, "not public")

	// Whoever asks again is given the same, which the audit log knows already.
	for range 3 {
		again := h.asks(t, "cr.example.com", "", "", near+"pull")
		again.grants(t, "public, again", near+"pull")
		if again.claims["jti"] != b.claims["jti"] || again.life > 300 || again.life < 230 {
			t.Errorf("another token: %v, for %d s", again.claims, again.life)
		}
	}
	all, err := h.AuditList(t.Context(), server.AuditListRequest{Limit: 10_000, Type: "propusk.registry.IssueToken"})
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, e := range all.Events {
		if strings.Contains(string(e), b.claims["jti"].(string)) {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("%d audit lines of one token", lines)
	}
	if one, two := h.asks(t, "cr.example.com", "iam", h.token, ""), h.asks(t, "cr.example.com", "iam", h.token, ""); one.claims["jti"] == two.claims["jti"] {
		t.Error("somebody is given a token that was made for another call")
	}
	h.update(t, func(tx *store.Tx) error {
		_, err := store.RemoveBinding(tx, nearRegistry, iam.AccessBinding{Role: "container-registry.images.puller", Subject: iam.Subject{ID: iam.AllUsers, Type: iam.TypeSystem}})
		return err
	})
	h.asks(t, "cr.example.com", "", "", near+"pull").refuses(t, "no longer public", http.StatusUnauthorized, "not public")
}

// The audit log tells who asked for what and got what, and holds no password.
func TestRegistryAudit(t *testing.T) {
	h := newHarbor(t)
	h.bind(t, nearRegistry, "container-registry.images.puller", h.who)
	near := "repository:" + nearRegistry + "/app:"
	h.asks(t, "cr.example.com", "json_key", h.file, near+"pull repository:"+farRegistry+"/app:pull").grants(t, "one of two", near+"pull")
	h.asks(t, "cr.example.com", "iam", h.token, near+"push").refuses(t, "no role", http.StatusForbidden, "images.push")
	all, err := h.AuditList(t.Context(), server.AuditListRequest{Limit: 10_000, Subject: h.who})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range all.Events {
		if text := string(e); strings.Contains(text, "propusk.registry.IssueToken") {
			lines = append(lines, text)
		}
		if strings.Contains(string(e), "PRIVATE") || strings.Contains(string(e), h.token) {
			t.Errorf("a secret: %s", e)
		}
	}
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), lines)
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(outcome(a), outcome(b)) })
	for i, want := range [][]string{
		{`"registry":"cr.example.com"`, `"granted":["` + near + `pull"]`, `"` + near + `pull"`, farRegistry, nearRegistry, h.who},
		{`"event_status":"ERROR"`, near + "push", h.who},
	} {
		for _, w := range want {
			if !strings.Contains(strings.ReplaceAll(lines[i], `": `, `":`), w) {
				t.Errorf("line %d has no %s:\n%s", i, w, lines[i])
			}
		}
	}
}

func outcome(line string) string {
	if strings.Contains(line, "ERROR") {
		return "refused"
	}
	return "done"
}

// What nobody has asked for is not made: a server without registries has no keys
// for them, however often strangers ask.
func TestWithoutRegistriesThereAreNoKeys(t *testing.T) {
	k := newCluster(t, server.Config{})
	for _, path := range []string{"/v2/token/keys", "/v2/token/certs"} {
		r, err := http.Get("http://" + k.HTTPAddr() + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusNotFound || !strings.Contains(string(text), "setting registries") {
			t.Errorf("%s: %d %s, %v", path, r.StatusCode, text, err)
		}
	}
	out, err := k.RotateKeys(t.Context(), server.RotateKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range out.Keys {
		if strings.Contains(key.Signs, "registry") {
			t.Errorf("a key of %s", key.Signs)
		}
	}
}

// An operator sees the keys of registries, makes new ones and ends one.
func TestOperatorsRotateKeysOfRegistries(t *testing.T) {
	h := newHarbor(t)
	first := h.asks(t, "cr.example.com", "iam", h.token, "")
	keys := func(distrust string) map[string]string {
		t.Helper()
		out, err := h.RotateKeys(t.Context(), server.RotateKeysRequest{Distrust: distrust})
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, key := range out.Keys {
			if strings.Contains(key.Signs, "registry") {
				all[key.ID] = key.Signs
			}
		}
		return all
	}
	kid := first.header["kid"].(string)
	all := keys("")
	if len(all) != 3 || all[kid] != "registry tokens" {
		t.Fatalf("after a rotation: %v", all)
	}
	if b := h.asks(t, "cr.example.com", "iam", h.token, ""); b.header["kid"] != kid {
		t.Error("a new key signs before registries can know it")
	}
	if all = keys(kid); all[kid] != "" || len(all) != 3 {
		t.Errorf("after it is distrusted: %v", all)
	}
	if b := h.asks(t, "cr.example.com", "iam", h.token, ""); b.header["kid"] == kid || b.status != http.StatusOK {
		t.Errorf("a distrusted key signs: %d %v", b.status, b.header)
	}
}
