package main

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// releaseProgram lets go of the pages of the program's own file that the start
// has read: parsing descriptors and laying out tables touches most of it once,
// and a quiet server runs a tenth. The kernel keeps the file in its cache, so a
// page that is needed again is a fault of a microsecond, not a read. Whatever
// fails here costs memory alone, and is not told.
func releaseProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for _, m := range cleanMappings(f, program) {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.start, m.end-m.start, syscall.MADV_DONTNEED)
	}
}

type mapping struct{ start, end uintptr }

// cleanMappings are the parts of memory that are a file, byte by byte: read from
// it, not writable, and with no page that anybody has changed, as relocation
// changes pages of programs that are loaded anywhere. Only those can be let go of.
func cleanMappings(smaps io.Reader, file string) (clean []mapping) {
	var at mapping
	var candidate bool
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		if start, end, ok := strings.Cut(words[0], "-"); ok && !strings.HasSuffix(words[0], ":") {
			from, err1 := strconv.ParseUint(start, 16, 64)
			to, err2 := strconv.ParseUint(end, 16, 64)
			at = mapping{uintptr(from), uintptr(to)}
			candidate = err1 == nil && err2 == nil && to > from && len(words) == 6 && words[5] == file && words[1][0] == 'r' && words[1][1] == '-'
			continue
		}
		if candidate && words[0] == "Anonymous:" && words[1] == "0" {
			clean = append(clean, at)
		}
	}
	return clean
}
