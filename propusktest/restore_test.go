package propusktest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/propusk/propusk/propusktest"
)

// A token made after a copy of the data was taken can be ended when that copy
// is put back, though the copy knows nothing of the time it was made in.
func TestRevocationAfterRestore(t *testing.T) {
	live, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	propusktest.New(t, propusktest.OnDisk(live)).Stop(t)
	if err := os.CopyFS(copied, os.DirFS(live)); err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{".", "master.key", "ca-key.pem"} { // CopyFS widens modes
		if err := os.Chmod(filepath.Join(copied, private), map[bool]os.FileMode{true: 0o700, false: 0o600}[private == "."]); err != nil {
			t.Fatal(err)
		}
	}
	s := propusktest.New(t, propusktest.OnDisk(live))
	admin := s.AdminToken(t)
	for i := range 30 {
		r := s.Do(t, "POST", admin, "/iam/v1/serviceAccounts", map[string]string{"folderId": s.FolderID, "name": fmt.Sprintf("lost-%d", i)})
		if r.Code != 200 {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
	}
	lost := s.Token(t)
	s.Stop(t)

	s = propusktest.New(t, propusktest.OnDisk(copied))
	if r := s.Get(t, lost, "/resource-manager/v1/clouds"); r.Code != 200 {
		t.Fatalf("the token of the lost time does not work: %d %s", r.Code, r.Body)
	}
	if r := s.Do(t, "POST", s.AdminToken(t), "/iam/v1/tokens:revoke", map[string]string{"iamToken": lost}); r.Code != 200 {
		t.Fatalf("revoke: %d %s", r.Code, r.Body)
	}
	if r := s.Get(t, lost, "/resource-manager/v1/clouds"); r.Code != 401 {
		t.Errorf("a revoked token works: %d %s", r.Code, r.Body)
	}
}
