package server

import (
	"log/slog"
	"sync"
	"time"
)

// sameAgain is how often an error that comes again and again is logged.
const sameAgain = time.Minute

// newReport returns a function that logs what the background work of a room
// failed with; the same text as before, which work that is tried every second
// may have for hours, once a minute.
func newReport(log *slog.Logger, room string, now func() time.Time) func(error) {
	var mu sync.Mutex
	var last string
	var at time.Time
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		text, since := err.Error(), now().Sub(at)
		if text == last && since >= 0 && since < sameAgain {
			return
		}
		last, at = text, now()
		log.Error("background work failed", "room", room, "error", err)
	}
}
