package cli_test

import (
	"strings"
	"testing"
)

// What the kernel shows as files may have no end, or keep a reader waiting for
// news: a scan of a whole machine passes it over, and one that is pointed there
// says so.
func TestScanPassesTheKernelOver(t *testing.T) {
	var s scanner
	s.run(t, "--exclude", "/[^p]*", "--exclude", "/p[^r]*", "/").exit(t, 0)
	for _, path := range []string{"/proc", "/proc/self", "/proc/self/mounts"} {
		if out := s.run(t, path).exit(t, 3); !strings.HasPrefix(out.stderr, "propusk scan: /proc") || strings.Count(out.stderr, "\n") != 1 {
			t.Errorf("%s: %q", path, out.stderr)
		}
	}
	s.run(t, "/proc/self/status").exit(t, 0)
}
