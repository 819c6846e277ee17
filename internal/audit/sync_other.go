//go:build !linux

package audit

import "os"

// syncer makes a file's data durable.
type syncer struct{}

func newSyncer(*os.File) *syncer { return &syncer{} }

func (*syncer) sync(f *os.File) error { return f.Sync() }

func (*syncer) close() {}
