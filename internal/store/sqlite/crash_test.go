package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// crashFolder, when set in the environment, turns the test binary into the
// writer that TestKill kills.
const crashFolder = "PROPUSK_TEST_CRASH_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashFolder); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

const crashWriters = 6

// writeUntilKilled makes accounts, each with three keys and an operation in one
// update, and prints the id of each after its update has returned.
func writeUntilKilled(dir string) error {
	engine, err := sqlite.Open(dir)
	if err != nil {
		return err
	}
	db := store.New(engine, store.Options{})
	ctx := context.Background()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	err = db.Update(ctx, func(tx *store.Tx) error {
		if _, err := store.GetFolder(tx, "f"); err == nil {
			return nil
		}
		now := tx.Now()
		if err := store.InsertOrganization(tx, &iam.Organization{ID: "o", CreatedAt: now}); err != nil {
			return err
		}
		if err := store.InsertCloud(tx, &iam.Cloud{ID: "c", OrganizationID: "o", CreatedAt: now}); err != nil {
			return err
		}
		return store.InsertFolder(tx, &iam.Folder{ID: "f", CloudID: "c", Status: iam.FolderActive, CreatedAt: now})
	})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range crashWriters {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				if err := db.Update(ctx, func(tx *store.Tx) error { return writeAccount(tx, id) }); err != nil {
					failed <- err
					return
				}
				fmt.Println(id) // one write call: a line is printed whole or not at all
			}
		}()
	}
	return <-failed
}

func writeAccount(tx *store.Tx, id string) error {
	now := tx.Now()
	err := store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: id, FolderID: "f", Name: id, Status: iam.ServiceAccountActive, CreatedAt: now})
	for k := 0; err == nil && k < 3; k++ {
		err = store.InsertKey(tx, &iam.Key{ID: fmt.Sprint(id, "/", k), ServiceAccountID: id, PublicKey: strings.Repeat("k", 400), CreatedAt: now})
	}
	if err != nil {
		return err
	}
	return store.InsertOperation(tx, &iam.Operation{ID: id, ResourceID: id, CreatedAt: now, ModifiedAt: now, Done: true})
}

// TestKill: whatever moment a server is killed at, no acknowledged change is
// lost, none is half-done, and the database is sound.
func TestKill(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	dir := filepath.Join(t.TempDir(), "data")
	acknowledged := map[string]bool{}
	for round := range rounds {
		before := len(acknowledged)
		for _, id := range runUntilKilled(t, dir, time.Duration(rand.IntN(120))*time.Millisecond) {
			acknowledged[id] = true
		}
		checkSurvivors(t, dir, acknowledged)
		t.Logf("round %d: %d acknowledged before the kill", round, len(acknowledged)-before)
	}
	if len(acknowledged) == 0 {
		t.Error("nothing was ever written: the test has tested nothing")
	}
}

// runUntilKilled starts the writer, kills it at a moment after its first
// acknowledgement, and returns what it has acknowledged.
func runUntilKilled(t *testing.T, dir string, after time.Duration) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashFolder+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if ids = append(ids, lines.Text()); len(ids) == 1 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait()
	if cmd.ProcessState.Exited() {
		t.Fatalf("the writer ended by itself: %v", cmd.ProcessState)
	}
	return ids
}

func checkSurvivors(t *testing.T, dir string, acknowledged map[string]bool) {
	t.Helper()
	engine := openFolder(t, dir)
	db := store.New(engine, store.Options{})
	defer db.Close()
	if err := engine.View(t.Context(), func(c store.Conn) error { return checkIntegrity(t, c) }); err != nil {
		t.Fatal(err)
	}
	err := db.View(t.Context(), func(tx *store.Tx) error {
		told, err := toldOf(tx)
		if err != nil {
			return err
		}
		found := 0
		for p := (store.Page{Limit: 500}); ; {
			accounts, err := store.ListServiceAccounts(tx, "f", p)
			if err != nil {
				return err
			}
			if len(accounts) == 0 {
				break
			}
			for _, a := range accounts {
				p.After = a.ID
				if acknowledged[a.ID] {
					found++
				}
				if !told[a.ID] {
					t.Errorf("account %s is not in the feed", a.ID)
				}
				checkWhole(t, tx, a.ID)
			}
		}
		if found != len(acknowledged) {
			t.Errorf("%d of %d acknowledged changes are there", found, len(acknowledged))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkWhole looks for all that writeAccount writes.
func checkWhole(t *testing.T, tx *store.Tx, id string) {
	t.Helper()
	keys, err := store.ListKeys(tx, id, store.Page{Limit: 9})
	if err != nil || len(keys) != 3 {
		t.Errorf("account %s has %d keys of 3 (%v)", id, len(keys), err)
	}
	if _, err := store.GetOperation(tx, id); err != nil {
		t.Errorf("account %s: %v", id, err)
	}
}

// toldOf returns the keys in the feed, which must have an entry for every number.
func toldOf(tx *store.Tx) (map[string]bool, error) {
	head, err := tx.Head()
	if err != nil {
		return nil, err
	}
	entries, err := store.ReadChanges(tx, 0, int(head)+1)
	if err == nil && len(entries) != int(head) {
		err = fmt.Errorf("%d entries up to position %d", len(entries), head)
	}
	told := map[string]bool{}
	for _, e := range entries {
		for _, c := range e.Changes {
			told[c.Key] = true
		}
	}
	return told, err
}

func checkIntegrity(t *testing.T, c store.Conn) error {
	t.Helper()
	rows, err := c.Query(`PRAGMA integrity_check`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var verdict string
		if err := rows.Scan(&verdict); err != nil || verdict != "ok" {
			t.Errorf("integrity: %s %v", verdict, err)
		}
	}
	return rows.Err()
}
