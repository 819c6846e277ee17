package cloudapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/propusktest"
)

// world is a server with two organizations: the one that dev plants, and home,
// whose owner may do everything in it. What must never show up in an answer, in
// the log or in the audit log is gathered on the way and looked for at the end.
type world struct {
	*propusktest.Server
	home  server.BootstrapResult
	owner *caller
	log   logText
	clock *clock // nil: the wall clock

	database string // URL of a PostgreSQL; "": in memory

	mu      sync.Mutex
	secrets []string
	dials   map[string]*caller
}

func newWorld(t *testing.T, options ...propusktest.Option) *world {
	t.Helper()
	w := &world{dials: map[string]*caller{}}
	if os.Getenv("PROPUSK_TEST_ENGINE") == "postgres" {
		w.database = pgtest.Shared(t).Schema(t)
		options = append(options, propusktest.OnPostgres(w.database))
	}
	options = append(options, propusktest.WithLog(slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	w.Server = propusktest.New(t, options...)
	t.Cleanup(func() { w.checkTraces(t) })
	home, err := w.Server.Server.Bootstrap(t.Context(), server.BootstrapRequest{
		Organization: "home", Cloud: "home-cloud", Folder: "home-folder", Account: "owner"})
	if err != nil {
		t.Fatal(err)
	}
	w.home = *home
	w.owner = w.exchange(t, []byte(home.KeyFile))
	return w
}

// newWorldWithClock lets the test move the server's time.
func newWorldWithClock(t *testing.T) *world {
	c := &clock{}
	w := newWorld(t, propusktest.WithClock(c.now))
	w.clock = c
	return w
}

// clock is the wall clock and what the test has added to it.
type clock struct {
	mu   sync.Mutex
	plus time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.plus)
}

func (c *clock) add(d time.Duration) { c.mu.Lock(); c.plus += d; c.mu.Unlock() }

type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// secret notes a text no long part of which may be found anywhere.
func (w *world) secret(s string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '\n' }) {
		if len(part) >= 40 && !strings.Contains(part, " ") {
			w.secrets = append(w.secrets, part)
		}
	}
	return s
}

func (w *world) shows(text string) (found string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.secrets {
		if strings.Contains(text, s) {
			return s[:12] + "…"
		}
	}
	return ""
}

// told notes the secret in an answer.
func (w *world) told(answer proto.Message) {
	if m, ok := answer.(interface{ GetSecret() string }); ok {
		w.secret(m.GetSecret())
	}
}

// checkTraces looks for panics and secrets in what the server has written.
func (w *world) checkTraces(t *testing.T) {
	log := w.log.String()
	if i := strings.Index(log, "panic"); i >= 0 {
		t.Errorf("the server's log has a panic: %.2000s", log[max(0, i-200):])
	}
	if s := w.shows(log); s != "" {
		t.Errorf("the server's log shows the secret %s", s)
	}
	for line := range strings.Lines(log) {
		if len(line) > 16<<10 {
			t.Errorf("the server's log has a line of %d bytes: %.300s", len(line), line)
		}
	}
	for _, line := range w.audit(context.Background(), t, server.AuditListRequest{}) {
		if s := w.shows(line.raw); s != "" {
			t.Errorf("an audit line shows the secret %s: %.400s", s, line.raw)
		}
	}
}

// auditLine is what the tests read of a line.
type auditLine struct {
	raw            string
	EventType      string `json:"event_type"`
	Status         string `json:"event_status"`
	Authentication struct {
		Authenticated bool   `json:"authenticated"`
		SubjectID     string `json:"subject_id"`
		TokenInfo     struct {
			ImpersonatorID string `json:"impersonator_id"`
		} `json:"token_info"`
	} `json:"authentication"`
	Authorization struct {
		Authorized bool `json:"authorized"`
	} `json:"authorization"`
	Resource struct {
		Path []struct {
			Type string `json:"resource_type"`
			ID   string `json:"resource_id"`
		} `json:"path"`
	} `json:"resource_metadata"`
	Request struct {
		ID string `json:"request_id"`
	} `json:"request_metadata"`
	Error struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Details map[string]any `json:"details"`
}

func (w *world) audit(ctx context.Context, t *testing.T, r server.AuditListRequest) []auditLine {
	t.Helper()
	r.Limit = 10_000
	res, err := w.Server.Server.AuditList(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]auditLine, len(res.Events))
	for i, raw := range res.Events {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			t.Fatalf("audit line %s: %v", raw, err)
		}
		out[i].raw = string(raw)
	}
	return out
}

// auditByRequest groups the lines by the call that they tell of.
func (w *world) auditByRequest(t *testing.T) map[string][]auditLine {
	t.Helper()
	out := map[string][]auditLine{}
	for _, l := range w.audit(t.Context(), t, server.AuditListRequest{}) {
		out[l.Request.ID] = append(out[l.Request.ID], l)
	}
	return out
}

// exchange makes a caller from a key file.
func (w *world) exchange(t *testing.T, key []byte) *caller {
	t.Helper()
	return w.withToken(t, w.exchangeText(t, key))
}

func (w *world) exchangeText(t *testing.T, key []byte) string {
	t.Helper()
	r := call(t, w.withToken(t, ""), "token.Create",
		&iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: w.jwt(t, key)}}, new(iampb.CreateIamTokenResponse))
	return w.secret(r.GetIamToken())
}

// jwt signs a JWT at the server's time.
func (w *world) jwt(t *testing.T, key []byte) string {
	t.Helper()
	f, err := keyfile.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if w.clock != nil {
		now = w.clock.now()
	}
	jwt, err := keyfile.SignJWT(f, keyfile.PublicAudience, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.secret(f.PrivateKey.Reveal())
	return w.secret(jwt.Reveal())
}

// keyFileOf is the key file that a client writes of the answer of Key.Create.
func keyFileOf(t *testing.T, k *iampb.CreateKeyResponse) []byte {
	t.Helper()
	f := keyfile.File{ID: k.GetKey().GetId(), ServiceAccountID: k.GetKey().GetServiceAccountId(), CreatedAt: k.GetKey().GetCreatedAt().AsTime(),
		Algorithm: iam.RSA2048, PublicKey: k.GetKey().GetPublicKey(), PrivateKey: iam.NewSecret(k.GetPrivateKey())}
	return f.Encode()
}

// impersonate makes a caller that has an account's identity by way of another.
func (w *world) impersonate(t *testing.T, by *caller, accountID string) *caller {
	t.Helper()
	r := call(t, by, "token.CreateForServiceAccount",
		&iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: accountID}, new(iampb.CreateIamTokenResponse))
	c := w.withToken(t, w.secret(r.GetIamToken()))
	c.id = accountID
	return c
}

// robot is a service account of home's folder with roles on home's cloud.
func (w *world) robot(t *testing.T, name string, roles ...string) *caller {
	t.Helper()
	id := w.owner.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: name})
	for _, role := range roles {
		w.bind(t, "cloud", w.home.CloudID, add(role, id))
	}
	return w.impersonate(t, w.owner, id)
}

func (w *world) bind(t *testing.T, service, resourceID string, deltas ...*accesspb.AccessBindingDelta) {
	t.Helper()
	w.owner.operate(t, service+".UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: resourceID, AccessBindingDeltas: deltas})
}

func add(role, accountID string) *accesspb.AccessBindingDelta {
	return &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: binding(role, accountID)}
}

func remove(role, accountID string) *accesspb.AccessBindingDelta {
	return &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_REMOVE, AccessBinding: binding(role, accountID)}
}

func binding(role, accountID string) *accesspb.AccessBinding {
	return bindingFor(role, "serviceAccount", accountID)
}

func bindingFor(role, kind, id string) *accesspb.AccessBinding {
	return &accesspb.AccessBinding{RoleId: role, Subject: &accesspb.Subject{Type: kind, Id: id}}
}

// plantKey puts a key into the store without the price of making one.
func (w *world) plantKey(t *testing.T, accountID string) (id string) {
	t.Helper()
	f, err := keyfile.Parse([]byte(w.home.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	id = resource.NewID(resource.PrefixIAM)
	w.update(t, func(tx *store.Tx) error {
		return store.InsertKey(tx, &iam.Key{ID: id, ServiceAccountID: accountID, Algorithm: iam.RSA2048, PublicKey: f.PublicKey, CreatedAt: tx.Now()})
	})
	return id
}

func (w *world) update(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := w.Server.Server.DB().Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (w *world) newFolder(t *testing.T, name string) string {
	t.Helper()
	return w.owner.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: name})
}

func (w *world) newAccount(t *testing.T, name string) string {
	t.Helper()
	return w.owner.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: name})
}
