//go:build unix

package leak_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/leak"
)

// BenchmarkFind searches texts that differ in how many long words they have:
// source text, the source of the standard library, lines of base64, base64
// without an end.
func BenchmarkFind(b *testing.B) {
	var lines bytes.Buffer
	endless := text64(3 << 20)
	for i := 0; i+76 < len(endless); i += 76 {
		lines.WriteString(endless[i:i+76] + "\n")
	}
	for name, text := range map[string][]byte{
		"source": []byte(strings.Repeat("\tif err := s.store.View(ctx, func(tx *store.Tx) error { return tx.FindAccount(id) }); err != nil {\n\t\treturn nil, err\n\t}\n", 30_000)),
		"goroot": standardLibrary(b), "base64lines": lines.Bytes(), "base64": []byte(endless),
		"hostile": []byte(strings.Repeat("YC", 2<<20)),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			began, n := usedCPU(b), 0
			for b.Loop() {
				leak.Find(text, func(m leak.Match) { b.Errorf("found %s at %d", m.Kind, m.Start) })
				n++
			}
			// What other programs do meanwhile does not count.
			b.ReportMetric(float64(n*len(text))/1e6/(usedCPU(b)-began).Seconds(), "MB/cpu-s")
		})
	}
}

func usedCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func standardLibrary(b *testing.B) []byte {
	var all bytes.Buffer
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || all.Len() > 32<<20 {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil || all.Len() < 1<<20 {
		b.Fatalf("%d bytes of source, %v", all.Len(), err)
	}
	return all.Bytes()
}
