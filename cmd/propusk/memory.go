package main

import (
	"os"
	"runtime/debug"
	"time"

	"github.com/propusk/propusk/internal/server"
)

// tuneMemory lets the heap grow further between collections than Go's default:
// a server that makes a token in 100 µs turns over a small heap dozens of times
// a second otherwise. The soft limit keeps that from multiplying a full cache.
// An operator's own GOGC and GOMEMLIMIT win.
//
// A start is spared that, because what lives on would be spread over the pages
// of its garbage: Go moves nothing.
func tuneMemory(c *server.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(2*int64(c.CacheBytes) + 256<<20)
	}
	time.AfterFunc(started, func() {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(200)
		}
		debug.FreeOSMemory()
		releaseProgram()
	})
}

// started is when a start is over, whose garbage a quiet server would keep for
// minutes.
const started = 2 * time.Second
