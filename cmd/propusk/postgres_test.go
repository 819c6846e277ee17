package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// elsewhere is how long a change may take to be in force on another node.
const elsewhere = time.Second

// nodes is an installation on one PostgreSQL: its first organization, and what
// any command needs to be told.
type nodes struct {
	dir, database, secret string
	folder                string // id
	owner                 *keyfile.File
}

// newNodes makes an installation by the operator's own command, with the
// data folder a.
func newNodes(t *testing.T, s *pgtest.Server) *nodes {
	t.Helper()
	n := &nodes{dir: t.TempDir(), database: s.Schema(t), secret: s.Password}
	made := n.command(t, 0, "bootstrap", "--data", "a", "--organization", "acme")
	found := regexp.MustCompile(`(?m)^folder +(\S+)$`).FindStringSubmatch(made)
	if found == nil {
		t.Fatalf("bootstrap printed %s", made)
	}
	n.folder, n.owner = found[1], readKey(t, n.dir, "owner-key.json")
	return n
}

// command runs an operator's command, which must end with a code, and returns
// everything it printed.
func (n *nodes) command(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := exec.Command("propusk", args...)
	cmd.Dir, cmd.Env = n.dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.dir, "PROPUSK_DATABASE=" + n.database}
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%s: exit code %d, want %d\n%s", args, got, code, out)
	}
	n.expectNoSecret(t, strings.Join(args, " "), out)
	return string(out)
}

func (n *nodes) expectNoSecret(t *testing.T, where string, text []byte) {
	t.Helper()
	if bytes.Contains(text, []byte(n.secret[:26])) { // the rest of it are signs that an encoding changes
		t.Errorf("%s shows the database's password:\n%s", where, text)
	}
}

// serve starts a node on a data folder.
func (n *nodes) serve(t *testing.T, folder string) *process {
	t.Helper()
	p, err := startProcess(n.dir, folder, []string{"PROPUSK_DATABASE=" + n.database}, "serve", "--data", folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		n.expectNoSecret(t, "the log", []byte(p.log()))
	})
	return p
}

// second starts another node, with the first one's master key.
func (n *nodes) second(t *testing.T) *process {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(n.dir, "a", "master.key"))
	if err == nil {
		err = os.MkdirAll(filepath.Join(n.dir, "b"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(n.dir, "b", "master.key"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n.serve(t, "b")
}

// robot makes a service account with a key of its own, by way of a node.
func (n *nodes) robot(t *testing.T, p *process, token, name string) *keyfile.File {
	t.Helper()
	var op operationAnswer
	mustTell(t, &op, "POST", "http://"+p.http+"/iam/v1/serviceAccounts", token, `{"folderId":"`+n.folder+`","name":"`+name+`"}`)
	var made struct {
		Key        struct{ ID, PublicKey string }
		PrivateKey string
	}
	mustTell(t, &made, "POST", "http://"+p.http+"/iam/v1/keys", token, `{"serviceAccountId":"`+op.Metadata.ServiceAccountID+`"}`)
	return &keyfile.File{ID: made.Key.ID, ServiceAccountID: op.Metadata.ServiceAccountID, PublicKey: made.Key.PublicKey, PrivateKey: iam.NewSecret(made.PrivateKey)}
}

func mustTell(t *testing.T, into any, method, url, token, body string) {
	t.Helper()
	if err := told(into, method, url, token, body); err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
}

// bind adds or removes the robot's role on the folder.
func (n *nodes) bind(t *testing.T, p *process, token, action, account string) {
	t.Helper()
	var ignored struct{}
	mustTell(t, &ignored, "POST", "http://"+p.http+"/resource-manager/v1/folders/"+n.folder+":updateAccessBindings", token,
		fmt.Sprintf(`{"accessBindingDeltas":[{"action":%q,"accessBinding":{"roleId":"viewer","subject":{"id":%q,"type":"serviceAccount"}}}]}`, action, account))
}

// sees tells whether a token may read the folder on a node.
func (n *nodes) sees(t *testing.T, p *process, token string) bool {
	t.Helper()
	a, err := ask("GET", "http://"+p.http+"/resource-manager/v1/folders/"+n.folder, token, "")
	if err != nil {
		t.Fatal(err)
	}
	return a.code == http.StatusOK
}

// within waits until something holds, at most as long as a change may take to
// be in force elsewhere, and returns how long it took.
func within(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if holds() {
			return time.Since(began)
		}
		if time.Since(began) > elsewhere {
			t.Errorf("not within %s: %s", elsewhere, what)
			return time.Since(began)
		}
	}
}

// What is changed on one node holds on the other within a second; when one is
// killed the other goes on.
func TestTwoNodesOnPostgres(t *testing.T) {
	t.Parallel()
	n := newNodes(t, pgtest.Shared(t))
	a := n.serve(t, "a")
	b := n.second(t)
	onA, onB := mustExchange(t, a, n.owner), mustExchange(t, b, n.owner)
	robot := n.robot(t, a, onA, "robot")
	var token string
	within(t, "a new key is good for an exchange", func() (ok bool) {
		var err error
		token, err = b.exchange(robot)
		return err == nil
	})
	if n.sees(t, b, token) {
		t.Fatal("an account without roles sees the folder")
	}

	var took []time.Duration
	for range 30 {
		n.bind(t, a, onA, "ADD", robot.ServiceAccountID)
		took = append(took, within(t, "a grant", func() bool { return n.sees(t, b, token) }))
		n.bind(t, a, onA, "REMOVE", robot.ServiceAccountID)
		took = append(took, within(t, "the end of a grant", func() bool { return !n.sees(t, b, token) }))
	}
	slices.Sort(took)
	t.Logf("%d changes of bindings in force on the other node: half within %s, the slowest after %s", len(took), took[len(took)/2], took[len(took)-1])

	n.bind(t, a, onA, "ADD", robot.ServiceAccountID)
	within(t, "the last grant", func() bool { return n.sees(t, b, token) })
	mustTell(t, new(struct{}), "POST", "http://"+a.http+"/iam/v1/tokens:revoke", token, `{"iamToken":"`+token+`"}`)
	within(t, "a revocation", func() bool { return !n.sees(t, b, token) })
	if _, err := b.exchange(robot); err != nil {
		t.Fatalf("the key outlives its token: %v", err)
	}
	mustTell(t, new(struct{}), "DELETE", "http://"+a.http+"/iam/v1/keys/"+robot.ID, onA, "")
	within(t, "the end of a key", func() bool { _, err := b.exchange(robot); return err != nil })

	a.kill()
	other := n.robot(t, b, onB, "other")
	if _, err := b.exchange(other); err != nil {
		t.Errorf("after the other node's death: %v", err)
	}
	a = n.serve(t, "a")
	if _, err := a.exchange(other); err != nil {
		t.Errorf("the node that was away: %v", err)
	}
	for _, p := range []*process{a, b} {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
}

// Every operator's command works on a shared database, whether a server runs
// on the folder or not, and none of them shows the password.
func TestOperatorOnPostgres(t *testing.T) {
	t.Parallel()
	n := newNodes(t, pgtest.Shared(t))
	if out := n.command(t, 0, "config", "--data", "a"); !strings.Contains(out, "\ndatabase: postgres://owner:***@127.0.0.1:") {
		t.Errorf("config prints\n%s", out)
	}
	if out := n.command(t, 1, "root-key", "--data", "typo"); !strings.Contains(out, "typo is not the data folder of a server") {
		t.Errorf("a mistaken folder: %s", out)
	}
	root := n.command(t, 0, "root-key", "--data", "a")
	a, b := n.serve(t, "a"), n.second(t)
	for _, folder := range []string{"a", "b"} {
		if got := n.command(t, 0, "root-key", "--data", folder); got != root {
			t.Errorf("%s has the root key %s, want %s", folder, got, root)
		}
	}
	n.command(t, 0, "bootstrap", "--data", "b", "--organization", "second", "--key-file", "second.json")
	if _, err := a.exchange(readKey(t, n.dir, "second.json")); err != nil {
		t.Errorf("an organization made by way of another node: %v", err)
	}
	if keys := n.command(t, 0, "rotate-keys", "--data", "b"); strings.Count(keys, "signs from") != 2 {
		t.Errorf("rotate-keys prints\n%s", keys)
	}
	mustExchange(t, b, n.owner)
	for _, p := range []*process{a, b} {
		if _, err := ask("GET", "http://"+p.http+"/resource-manager/v1/folders/nothing", "garbage", ""); err != nil {
			t.Fatal(err)
		}
		page, err := ask("GET", "http://"+p.debug+"/metrics", "", "")
		if err != nil {
			t.Fatal(err)
		}
		n.expectNoSecret(t, "/metrics", page.body)
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
	for _, folder := range []string{"a", "b"} {
		if out := n.command(t, 0, "audit", "verify", "--data", folder); strings.Count(out, `"node"`) != 2 {
			t.Errorf("audit verify of %s tells of\n%s", folder, out)
		}
		if out := n.command(t, 0, "audit", "list", "--data", folder); strings.Count(out, "CreateOrganization") != 2 {
			t.Errorf("audit list of %s prints\n%s", folder, out)
		}
	}
}

// A role that owns its database and no more will do, and the password may be
// where libpq looks for it.
func TestPasswordApartOnPostgres(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	const password = "a:b@c/d"
	if err := s.Ask("postgres", `CREATE ROLE plain LOGIN PASSWORD '`+password+`'`, `CREATE DATABASE plain OWNER plain TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	passfile := filepath.Join(dir, "passwords")
	if err := os.WriteFile(passfile, []byte("127.0.0.1:*:plain:plain:"+strings.ReplaceAll(password, ":", `\:`)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d/plain", s.Port)
	services := filepath.Join(dir, "services")
	if err := os.WriteFile(services, fmt.Appendf(nil, "[iam]\nhost=127.0.0.1\nport=%d\nuser=plain\ndbname=plain\npassword=%s\n", s.Port, password), 0o600); err != nil {
		t.Fatal(err)
	}
	root := ""
	for name, env := range map[string][]string{
		"PGPASSFILE": {"PROPUSK_DATABASE=postgres://plain@" + address, "PGPASSFILE=" + passfile},
		"PGPASSWORD": {"PROPUSK_DATABASE=postgres://plain@" + address, "PGPASSWORD=" + password},
		"passfile":   {"PROPUSK_DATABASE=postgres://plain@" + address + "?passfile=" + passfile},
		"service":    {"PROPUSK_DATABASE=postgres://?service=iam", "PGSERVICEFILE=" + services},
	} {
		if root == "" {
			cmd := exec.Command("propusk", "bootstrap", "--data", "a", "--organization", "acme")
			cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
		}
		cmd := exec.Command("propusk", "root-key", "--data", "a")
		cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
		out, err := cmd.CombinedOutput()
		if err != nil || (root != "" && string(out) != root) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		root = string(out)
	}
	cmd := exec.Command("propusk", "root-key", "--data", "a")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "PROPUSK_DATABASE=postgres://plain:hunter2@" + address}
	if out, err := cmd.CombinedOutput(); err == nil || bytes.Contains(out, []byte("hunter2")) {
		t.Errorf("a wrong password: %v\n%s", err, out)
	}
}

// No node makes a world of its own beside the one it was meant to join.
func TestNoSecondWorldOnPostgres(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	n := newNodes(t, s)
	serve := func(folder string) string {
		return n.command(t, 1, "serve", "--data", folder, "--http-listen", "127.0.0.1:0", "--grpc-listen", "off", "--access-listen", "off", "--debug-listen", "off")
	}
	if out := serve("b"); !strings.Contains(out, "a further node on the same database needs a copy of the first one's") {
		t.Errorf("no master key: %s", out)
	}
	other := &nodes{dir: n.dir, database: s.Schema(t), secret: n.secret}
	other.command(t, 0, "bootstrap", "--data", "c", "--organization", "other", "--key-file", "other.json")
	if err := os.Mkdir(filepath.Join(n.dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(n.dir, "c", "master.key"), filepath.Join(n.dir, "d", "master.key")); err != nil {
		t.Fatal(err)
	}
	if out := serve("d"); !strings.Contains(out, "do not open under this node's master key: all nodes of an installation need the same one") {
		t.Errorf("another master key: %s", out)
	}
	n.database = other.database // a's folder, pointed at a database that is another installation's
	if out := serve("a"); !strings.Contains(out, "a belongs to a node of installation") {
		t.Errorf("another database: %s", out)
	}
	n.database = s.Schema(t) // or at an empty one
	if out := serve("a"); !strings.Contains(out, "holds no installation") {
		t.Errorf("an empty database: %s", out)
	}
	n.database = "" // or at none
	if out := serve("a"); !strings.Contains(out, "give the setting database") {
		t.Errorf("no database: %s", out)
	}
}

// While the database is away the server says so, and stays; when it is back,
// so is everything.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	s := pgtest.Own(t)
	n := newNodes(t, s)
	a := n.serve(t, "a")
	token := mustExchange(t, a, n.owner)
	create := func(name string) (*answer, error) {
		return ask("POST", "http://"+a.http+"/iam/v1/serviceAccounts", token, `{"folderId":"`+n.folder+`","name":"`+name+`"}`)
	}
	s.Stop()
	began := time.Now()
	for _, name := range []string{"one", "two"} {
		got, err := create(name)
		if err != nil || got.code != http.StatusServiceUnavailable || !strings.Contains(got.String(), "google.rpc.RetryInfo") {
			t.Errorf("a change without a database: %v, %v", got, err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("refusing took %s", took)
	}
	probe := func(path string) int {
		got, err := ask("GET", "http://"+a.debug+path, "", "")
		if err != nil {
			t.Fatal(err)
		}
		return got.code
	}
	if code := probe("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d without a database", code)
	}
	if code := probe("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d without a database, which no restart brings back", code)
	}
	s.Start(t)
	back := time.Now()
	for {
		got, err := create("three")
		if err == nil && got.code == http.StatusOK {
			break
		}
		if time.Since(back) > 10*time.Second {
			t.Fatalf("%s after the database was back: %v, %v", time.Since(back), got, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("a change succeeded %s after the database was back", time.Since(back))
	for probe("/readyz") != http.StatusOK {
		if time.Since(back) > 15*time.Second {
			t.Fatal("not ready again")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := a.stop(); err != nil {
		t.Error(err)
	}
}
