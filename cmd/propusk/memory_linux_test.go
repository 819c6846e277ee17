package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestCleanMappings(t *testing.T) {
	const smaps = `00400000-01447000 r-xp 00000000 fe:00 110 /opt/propusk
Rss:               14588 kB
Private_Dirty:      4000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01447000-027ef000 r--p 01047000 fe:00 110 /opt/propusk
Anonymous:             4 kB
027ef000-028d9000 rw-p 023ef000 fe:00 110 /opt/propusk
Anonymous:             0 kB
028d9000-02901000 r--p 00000000 fe:00 111 /opt/other
Anonymous:             0 kB
c000000000-c000400000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 110 /opt/propusk
Anonymous:             0 kB
7f0000001000-7f0000000000 r--p 00000000 fe:00 110 /opt/propusk
Anonymous:             0 kB
7f0000002000-zz r--p 00000000 fe:00 110 /opt/propusk
Anonymous:             0 kB
7f0000003000-7f0000004000 r--p 00000000 fe:00 110 /opt/propusk (deleted)
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0x1447000}, {0x7f0000000000, 0x7f0000001000}}
	if got := cleanMappings(strings.NewReader(smaps), "/opt/propusk"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestReleaseProgram: what was let go of is there when it is needed again.
func TestReleaseProgram(t *testing.T) {
	before := residentFile(t)
	releaseProgram()
	if after := residentFile(t); after >= before {
		t.Errorf("%d KiB of files resident, %d before", after, before)
	}
}

// residentFile is how much of files is in memory, in KiB.
func residentFile(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "RssFile:"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("the status has no RssFile")
	return 0
}
