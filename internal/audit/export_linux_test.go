package audit

import "os"

// Syncs are the ways in which a file can be made durable here.
func Syncs(f *os.File) map[string]func() error {
	s := newSyncer(f)
	return map[string]func() error{
		"as the journal does": func() error { return s.sync(f) },
		"fdatasync":           func() error { return (&syncer{}).sync(f) },
	}
}
