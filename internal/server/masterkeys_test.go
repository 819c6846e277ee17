package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

// vault is a data folder with sealed access keys, opened again and again.
type vault struct {
	folder, file, account string
}

func newVault(t *testing.T, keys int) *vault {
	t.Helper()
	v := &vault{folder: t.TempDir()}
	v.file = filepath.Join(v.folder, "master.key")
	s := v.open(t)
	made, err := s.Bootstrap(t.Context(), server.BootstrapRequest{Organization: "acme", Cloud: "c", Folder: "f", Account: "robot"})
	if err != nil {
		t.Fatal(err)
	}
	v.account = made.ServiceAccountID
	v.insert(t, s, 0, keys)
	v.close(t, s)
	return v
}

func (v *vault) config() server.Config { return server.Config{Data: v.folder} }

func (v *vault) open(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.New(t.Context(), v.config(), server.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (v *vault) close(t *testing.T, s *server.Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func (v *vault) box(t *testing.T) *seal.Box {
	t.Helper()
	b, err := seal.Load(t.Context(), "file:"+v.file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func secretOf(id string) []byte { return []byte("the secret of " + id) }

// insert adds the access keys from, from+1, … to-1, sealed as the file says now.
func (v *vault) insert(t *testing.T, s *server.Server, from, to int) {
	t.Helper()
	box := v.box(t)
	err := s.DB().Update(t.Context(), func(tx *store.Tx) error {
		for i := from; i < to; i++ {
			id := fmt.Sprintf("aje%06d", i)
			text, err := box.Seal(store.AccessKeyPlace(id), secretOf(id))
			if err != nil {
				return err
			}
			if err := store.InsertAccessKey(tx, &iam.AccessKey{ID: id, ServiceAccountID: v.account, KeyID: "YC" + id}, text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// check opens every secret with the keys of the file and says under which
// master keys they are.
func (v *vault) check(t *testing.T, s *server.Server, wantAccessKeys int) (by map[string]int) {
	t.Helper()
	box, by := v.box(t), map[string]int{}
	found := 0
	for _, table := range store.SealedTables {
		var rows []store.SealedRow
		err := s.DB().View(t.Context(), func(tx *store.Tx) (err error) {
			rows, err = store.ListSealed(tx, table, "", 1<<20)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			secret, err := box.Open(row.Place, row.Sealed)
			if err != nil {
				t.Fatalf("%s %s: %v", table, row.ID, err)
			}
			if table == store.SealedAccessKeys {
				found++
				if !bytes.Equal(secret, secretOf(row.ID)) {
					t.Fatalf("%s has another's secret", row.ID)
				}
			}
			id, _ := seal.KeyID(row.Sealed)
			by[id]++
		}
	}
	if found != wantAccessKeys {
		t.Errorf("%d access keys, want %d", found, wantAccessKeys)
	}
	return by
}

func rotateMaster(t *testing.T, s *server.Server, r server.RotateMasterRequest) *server.RotateMasterResult {
	t.Helper()
	got, err := s.RotateMaster(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Everything moves; then the new key alone is enough and the old one is not.
func TestRotateMaster(t *testing.T) {
	const keys = 450 // more than two batches
	v := newVault(t, keys)
	s := v.open(t)
	before := rotateMaster(t, s, server.RotateMasterRequest{Check: true})
	if before.Key != "first" || before.Left("first") < keys+3 || len(before.Elsewhere()) > 0 {
		t.Errorf("before: %+v", before)
	}
	got := rotateMaster(t, s, server.RotateMasterRequest{NewKey: true})
	if got.Added == "" || got.Key != got.Added || got.Tables[1].Moved != keys || got.Tables[0].Moved == 0 ||
		!slices.Equal(got.Removable(), []string{"first"}) || len(got.Elsewhere()) > 0 {
		t.Errorf("after: %+v", got)
	}
	again := rotateMaster(t, s, server.RotateMasterRequest{})
	if again.Key != got.Key || again.Tables[1].Moved != 0 || again.Tables[1].There != keys {
		t.Errorf("again: %+v", again)
	}
	list, err := s.AuditList(t.Context(), server.AuditListRequest{Type: "propusk.RotateMasterKey"})
	if err != nil || len(list.Events) != 4 { // two commands that change, each with its beginning and its end
		t.Errorf("%d audit lines, %v", len(list.Events), err)
	}
	v.close(t, s)

	text, err := os.ReadFile(v.file)
	if err != nil {
		t.Fatal(err)
	}
	fresh, old, _ := bytes.Cut(text, []byte("\n"))
	if err := os.WriteFile(v.file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = server.New(t.Context(), v.config(), server.Options{Quiet: true})
	if !errors.Is(err, iam.FailedPrecondition) || !strings.Contains(err.Error(), `"`+got.Key+`"`) || !strings.Contains(err.Error(), v.file) {
		t.Errorf("with the old key alone: %v", err)
	}
	if err := os.WriteFile(v.file, fresh, 0o600); err != nil {
		t.Fatal(err)
	}
	s = v.open(t)
	defer v.close(t, s)
	if by := v.check(t, s, keys); len(by) != 1 {
		t.Errorf("with the new key alone: %v", by)
	}
}

// Cut short anywhere, every row opens under the keys of the file, and the next
// command ends it.
func TestRotateMasterCutShort(t *testing.T) {
	const keys = 1000
	v := newVault(t, keys)
	if err := seal.AddMasterKey(v.file, seal.NewMasterKey("second")); err != nil {
		t.Fatal(err)
	}
	mixed := false
	for cut := range 8 {
		s := v.open(t)
		_, err := s.RotateMaster(&patience{Context: t.Context(), left: 8 * cut}, server.RotateMasterRequest{})
		v.close(t, s)
		s = v.open(t)
		by := v.check(t, s, keys)
		v.close(t, s)
		mixed = mixed || (err != nil && by["first"] > 0 && by["second"] > 100)
	}
	if !mixed {
		t.Error("it was never cut short in the middle")
	}
	s := v.open(t)
	defer v.close(t, s)
	rotateMaster(t, s, server.RotateMasterRequest{})
	if by := v.check(t, s, keys); len(by) != 1 || by["second"] == 0 {
		t.Errorf("at the end: %v", by)
	}
	list, err := s.AuditList(t.Context(), server.AuditListRequest{Type: "propusk.RotateMasterKey"})
	if err != nil {
		t.Fatal(err)
	}
	ends := map[string]int{}
	for _, line := range list.Events {
		var e struct {
			Status string `json:"event_status"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		ends[e.Status]++
	}
	if ends["ERROR"] == 0 || ends["STARTED"] != ends["DONE"]+ends["ERROR"] {
		t.Errorf("beginnings and ends in the audit log: %v", ends)
	}
}

// patience is a context that ends after it was asked so often.
type patience struct {
	context.Context
	mu   sync.Mutex
	left int
}

func (p *patience) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left--; p.left < 0 {
		return context.Canceled
	}
	return p.Context.Err()
}

// While everything moves, keys are made, change and go: none is lost, none
// comes back, none keeps an old text.
func TestRotateMasterBesideChanges(t *testing.T) {
	const keys = 800
	v := newVault(t, keys)
	s := v.open(t)
	defer v.close(t, s)
	if err := seal.AddMasterKey(v.file, seal.NewMasterKey("second")); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	gone, made := 0, keys
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			v.insert(t, s, made, made+5)
			made += 5
			err := s.DB().Update(t.Context(), func(tx *store.Tx) error {
				return store.DeleteAccessKey(tx, fmt.Sprintf("aje%06d", gone))
			})
			if err != nil {
				t.Error(err)
				return
			}
			gone++
		}
	})
	got := rotateMaster(t, s, server.RotateMasterRequest{})
	close(stop)
	all.Wait()
	if got.Tables[1].Failed > 0 || len(got.Elsewhere()) > 0 {
		t.Errorf("the report: %+v", got)
	}
	if by := v.check(t, s, made-gone); len(by) != 1 || gone == 0 {
		t.Errorf("under %v, %d deleted meanwhile", by, gone)
	}
}

// What does not open is named and left as it is; nothing is called removable.
func TestRotateMasterNamesWhatDoesNotOpen(t *testing.T) {
	v := newVault(t, 3)
	s := v.open(t)
	defer v.close(t, s)
	damaged := []byte("no sealed text")
	lost, err := seal.New(seal.NewMasterKey("lost"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := lost.Seal(store.AccessKeyPlace("ajelost"), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	err = s.DB().Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(
			store.InsertAccessKey(tx, &iam.AccessKey{ID: "ajelost", ServiceAccountID: v.account, KeyID: "YClost"}, text),
			store.InsertAccessKey(tx, &iam.AccessKey{ID: "ajedamaged", ServiceAccountID: v.account, KeyID: "YCdamaged"}, damaged))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []server.RotateMasterRequest{{Check: true}, {NewKey: true}} {
		got := rotateMaster(t, s, r)
		c := got.Tables[1]
		if c.Failed != 2 || len(c.Unopened) != 2 || c.Unopened[0].ID != "ajedamaged" || c.Unopened[1].ID != "ajelost" ||
			!strings.Contains(c.Unopened[1].Why, `"lost"`) || len(got.Removable()) > 0 {
			t.Errorf("%+v: %+v", r, got)
		}
	}
	err = s.DB().View(t.Context(), func(tx *store.Tx) error {
		k, err := store.FindAccessKey(tx, "YClost")
		if err == nil && !bytes.Equal(k.Sealed, text) {
			t.Error("what does not open was changed")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRotateMasterRefusals(t *testing.T) {
	v := newVault(t, 0)
	text, err := os.ReadFile(v.file)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PROPUSK_TEST_MASTER", string(text))
	cfg := v.config()
	cfg.MasterKey.Env = "PROPUSK_TEST_MASTER"
	s, err := server.New(t.Context(), cfg, server.Options{Quiet: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer v.close(t, s)
	if _, err := s.RotateMaster(t.Context(), server.RotateMasterRequest{NewKey: true}); !errors.Is(err, iam.FailedPrecondition) || !strings.Contains(err.Error(), "do not come from a file") {
		t.Errorf("a new key where no file is: %v", err)
	}
	if _, err := s.RotateMaster(t.Context(), server.RotateMasterRequest{NewKey: true, Check: true}); !errors.Is(err, iam.InvalidArgument) {
		t.Errorf("a check that makes a key: %v", err)
	}
	t.Setenv("PROPUSK_TEST_MASTER", "first nonsense")
	if _, err := s.RotateMaster(t.Context(), server.RotateMasterRequest{}); !errors.Is(err, iam.FailedPrecondition) || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a source that cannot be read: %v", err)
	}
}

// A check tells what the next start will have: a line that went too early is
// missed though the server that runs remembers the key, and a line on top is
// the one that is to seal though the server has not taken it up.
func TestCheckTellsOfTheNextStart(t *testing.T) {
	v := newVault(t, 3)
	s := v.open(t)
	defer v.close(t, s)
	old, err := os.ReadFile(v.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.AddMasterKey(v.file, seal.NewMasterKey("second")); err != nil {
		t.Fatal(err)
	}
	got := rotateMaster(t, s, server.RotateMasterRequest{Check: true})
	if got.Key != "second" || !slices.Equal(got.Held, []string{"second", "first"}) || got.Tables[1].Failed > 0 || got.Tables[1].There > 0 {
		t.Errorf("with a line on top: %+v", got)
	}
	v.insert(t, s, 3, 4)
	both, err := os.ReadFile(v.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.file, both[:bytes.IndexByte(both, '\n')+1], 0o600); err != nil {
		t.Fatal(err)
	}
	got = rotateMaster(t, s, server.RotateMasterRequest{Check: true})
	if got.Tables[1].Failed != 3 || got.Tables[1].There != 1 || !strings.Contains(got.Tables[1].Unopened[0].Why, `"first"`) {
		t.Errorf("without the old line: %+v", got)
	}
	if err := os.WriteFile(v.file, append(old, "nonsense\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RotateMaster(t.Context(), server.RotateMasterRequest{Check: true}); !errors.Is(err, iam.FailedPrecondition) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("with a line that cannot be read: %v", err)
	}
}

// What a running server had sealed under the old key, and writes only when
// everything else has moved, moves too before the old key is called removable.
func TestRotateMasterWaitsForWrites(t *testing.T) {
	v := newVault(t, 3)
	cfg := v.config()
	cfg.HTTPListen, cfg.GRPCListen, cfg.AccessListen, cfg.DebugListen = "127.0.0.1:0", "off", "off", "off"
	s, err := server.New(t.Context(), cfg, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.close(t, s)
	text, err := v.box(t).Seal(store.AccessKeyPlace("ajelate"), secretOf("ajelate"))
	if err != nil {
		t.Fatal(err)
	}
	var late sync.WaitGroup
	late.Go(func() {
		time.Sleep(300 * time.Millisecond)
		err := s.DB().Update(t.Context(), func(tx *store.Tx) error {
			return store.InsertAccessKey(tx, &iam.AccessKey{ID: "ajelate", ServiceAccountID: v.account, KeyID: "YClate"}, text)
		})
		if err != nil {
			t.Error(err)
		}
	})
	got := rotateMaster(t, s, server.RotateMasterRequest{NewKey: true})
	late.Wait()
	if by := v.check(t, s, 4); len(by) != 1 || !slices.Equal(got.Removable(), []string{"first"}) {
		t.Errorf("under %v; may be removed: %v", by, got.Removable())
	}
}
