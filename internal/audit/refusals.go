package audit

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Refusals writes the refusals of callers who proved nothing. Up to PerSecond of
// them in a second are written as they are; the others are counted and told in
// one line at the second's end, so that garbage cannot buy disk.
type Refusals struct {
	cfg RefusalsConfig

	mu      sync.Mutex
	since   time.Time // when the second began
	written int       // in this second
	tally   *tally    // of what was not written; nil when all was
	total   uint64
}

// RefusalsConfig is what Refusals need.
type RefusalsConfig struct {
	Record    func(*Event) error // Journal.Record
	PerSecond int                // 20 when 0
	Now       func() time.Time   // time.Now when nil
	Report    func(error)        // called when a line of counts cannot be written; may be nil
}

// NewRefusals returns Refusals that have seen nothing.
func NewRefusals(cfg RefusalsConfig) *Refusals {
	if cfg.PerSecond == 0 {
		cfg.PerSecond = 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Refusals{cfg: cfg}
}

// Record writes or counts a refusal. An error is the journal's, and only comes
// for a refusal that was to be written. The reason is a short word by which
// refusals are counted together, such as iam.Error.Reason.
func (r *Refusals) Record(e *Event, reason string) error {
	r.mu.Lock()
	now := r.cfg.Now()
	if age := now.Sub(r.since); r.tally == nil && (age < 0 || age >= time.Second) {
		r.since, r.written = now, 0
	}
	if r.tally == nil && r.written < r.cfg.PerSecond {
		r.written++
		r.mu.Unlock()
		return r.cfg.Record(e)
	}
	if r.tally == nil {
		r.tally = newTally(r.since)
		time.AfterFunc(r.since.Add(time.Second).Sub(now), r.tell)
	}
	r.total++
	r.tally.add(reason, e.Request.RemoteAddress)
	r.mu.Unlock()
	return nil
}

// Counted is how many refusals were counted instead of written.
func (r *Refusals) Counted() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Close tells what has been counted and not yet told.
func (r *Refusals) Close() { r.tell() }

// tell ends the second.
func (r *Refusals) tell() {
	r.mu.Lock()
	t := r.tally
	now := r.cfg.Now()
	r.tally, r.since, r.written = nil, now, 0
	r.mu.Unlock()
	if t == nil {
		return
	}
	if err := r.cfg.Record(t.event(now)); err != nil && r.cfg.Report != nil {
		r.cfg.Report(err)
	}
}

// tally counts what was not written. It is bounded: what comes after its maps
// are full counts as "other".
type tally struct {
	since     time.Time
	count     int
	reasons   map[string]int
	addresses map[string]int
}

const (
	maxTallied = 256 // reasons, and addresses, told apart
	toldTop    = 5   // of them in the line
)

func newTally(since time.Time) *tally {
	return &tally{since: since, reasons: make(map[string]int), addresses: make(map[string]int)}
}

func (t *tally) add(reason, address string) {
	t.count++
	countIn(t.reasons, reason)
	countIn(t.addresses, address)
}

func countIn(m map[string]int, key string) {
	if len(key) > maxID {
		key = key[:maxID]
	}
	if _, ok := m[key]; !ok && len(m) >= maxTallied {
		key = "other"
	}
	m[key]++
}

func (t *tally) event(now time.Time) *Event {
	return &Event{
		Type: TypeRefusedCalls, Time: now, Status: Failed,
		Details: Details{
			Text("count", strconv.Itoa(t.count)), Time("since", t.since), Time("until", now),
			top("reasons", "reason", t.reasons), top("addresses", "address", t.addresses),
		},
	}
}

// top is a list of the most frequent keys with their counts.
func top(name, key string, m map[string]int) Detail {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	d := Detail{Name: name}
	for _, k := range keys[:min(len(keys), toldTop)] {
		d.Items = append(d.Items, Object("", Text(key, k), Text("count", strconv.Itoa(m[k]))))
	}
	return d
}
