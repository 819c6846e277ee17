package main

import (
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A first start that is broken off anywhere leaves a folder that the next start
// completes.
func TestKillAtFirstStart(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several seconds")
	}
	t.Parallel()
	var whole time.Duration // what a first start takes
	for round := range 12 {
		dir := t.TempDir()
		cmd := exec.Command("propusk", "dev", "--data", "d", "--http-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0", "--access-listen", "off", "--debug-listen", "off")
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if round > 0 {
			time.Sleep(time.Duration(rand.Int64N(int64(whole))))
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		left, _ := filepath.Glob(filepath.Join(dir, "d", "*"))
		slices.Sort(left)
		began := time.Now()
		p := startDev(t, dir)
		if whole = max(whole, time.Since(began)); round == 0 {
			whole = time.Since(began)
		}
		mustExchange(t, p, readKey(t, dir, "d", "key.json"))
		mustExchange(t, p, readKey(t, dir, "d", "admin-key.json"))
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Fatalf("the first start had left %q", left)
		}
	}
}
