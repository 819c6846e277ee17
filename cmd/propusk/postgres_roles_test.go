package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// roleFile writes a file that defines one role with one permission.
func (n *nodes) roleFile(t *testing.T, name, role, permission string) string {
	t.Helper()
	text := fmt.Sprintf("roles:\n- {id: %s, description: d, permissions: [%s]}\n", role, permission)
	if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// What an operator imports by way of one node is in force on the other within a
// second, and so is what a role no longer holds. Where one node's own file
// clashes with an import, nothing that was imported counts there, until the
// operator has taken it out; started anew, it says why it does not start.
func TestImportedRolesOnPostgres(t *testing.T) {
	t.Parallel()
	n := newNodes(t, pgtest.Shared(t))
	a := n.serve(t, "a")
	b := n.second(t)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	mine := n.roleFile(t, "mine.yaml", "acme.mine", "acme.gizmos.turn")
	startB := func() (*process, error) {
		p, err := startProcess(n.dir, "b", []string{"PROPUSK_DATABASE=" + n.database}, "serve", "--data", "b", "--roles", mine)
		t.Cleanup(p.kill)
		return p, err
	}
	b, err := startB()
	if err != nil {
		t.Fatal(err)
	}
	owner := mustExchange(t, a, n.owner)
	robot := n.robot(t, a, owner, "robot")
	n.command(t, 0, "role", "import", n.roleFile(t, "blind.yaml", "acme.reader", "acme.gizmos.get"), "--data", "a")
	n.roleFile(t, "seeing.yaml", "acme.reader", "resource-manager.folders.get")
	mustTell(t, new(struct{}), "POST", "http://"+a.http+"/resource-manager/v1/folders/"+n.folder+":updateAccessBindings", owner,
		fmt.Sprintf(`{"accessBindingDeltas":[{"action":"ADD","accessBinding":{"roleId":"acme.reader","subject":{"id":%q,"type":"serviceAccount"}}}]}`, robot.ServiceAccountID))
	token := mustExchange(t, a, robot)
	var took []time.Duration
	for range 5 {
		n.command(t, 0, "role", "import", "seeing.yaml", "--data", "a")
		took = append(took, within(t, "what a role holds by an import", func() bool { return n.sees(t, b, token) }))
		if !n.sees(t, a, token) {
			t.Error("the node that imports it is later than the other")
		}
		n.command(t, 0, "role", "import", "blind.yaml", "--data", "a")
		took = append(took, within(t, "what a role holds no longer", func() bool { return !n.sees(t, b, token) }))
	}
	slices.Sort(took)
	t.Logf("%d imports in force on the other node: half within %s after the command's end, the slowest after %s", len(took), took[len(took)/2], took[len(took)-1])

	// A node that decides nothing meanwhile is not behind either.
	text := "roles:\n- {id: acme.idle, description: d}\nresourceTypes:\n- {type: acme.root, description: d}\n"
	if err := os.WriteFile(filepath.Join(n.dir, "idle.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.command(t, 0, "role", "import", "idle.yaml", "--data", "a")
	time.Sleep(elsewhere)
	n.command(t, 0, "resource", "register-root", "--data", "b", "--type", "acme.root", "--id", "root", "--owner", robot.ServiceAccountID)
	n.command(t, 0, "resource", "unregister-root", "--data", "b", "--id", "root")
	n.command(t, 0, "role", "delete", "acme.idle", "--data", "a")
	time.Sleep(elsewhere)
	if out := n.command(t, 0, "role", "list", "--data", "b"); strings.Contains(out, "acme.idle") || !strings.Contains(out, "acme.reader") {
		t.Errorf("an idle node lists\n%s", out)
	}

	n.command(t, 0, "role", "import", "seeing.yaml", "--data", "a")
	within(t, "the last import", func() bool { return n.sees(t, b, token) })
	n.command(t, 0, "role", "import", n.roleFile(t, "clash.yaml", "acme.mine", "acme.gizmos.get"), "--data", "a")
	within(t, "that nothing imported counts where it clashes", func() bool { return !n.sees(t, b, token) })
	if !n.sees(t, a, token) {
		t.Error("the clash is the other node's")
	}
	if out := n.command(t, 1, "role", "import", "clash.yaml", "--data", "b", "--roles", mine); !strings.Contains(out, "role acme.mine: defined twice") {
		t.Errorf("the same import by way of the node whose file it clashes with: %s", out)
	}
	if err := b.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(b.log(), "give all servers the same files") {
		t.Errorf("the log does not say why roles are left out:\n%s", b.log())
	}
	if _, err := startB(); err == nil || !strings.Contains(err.Error(), "role acme.mine: defined twice") {
		t.Errorf("a start with roles that clash: %v", err)
	}
	n.command(t, 0, "role", "delete", "acme.mine", "--data", "b", "--roles", mine)
	if b, err = startB(); err != nil {
		t.Fatal(err)
	}
	if !n.sees(t, b, token) {
		t.Error("what was imported does not count although nothing clashes any more")
	}
}
