package audit

import "github.com/prometheus/client_golang/prometheus"

// Stats are the counts of a journal since it was opened.
type Stats struct {
	Lines        uint64  // made durable
	Batches      uint64  // writes that made them so
	Failures     uint64  // writes that failed
	Seconds      float64 // spent writing
	Shipped      uint64  // rounds of shipping that brought something into the archive
	ShipFailures uint64
	Torn         uint64 // bytes that a crash had left, removed when the journal was opened
	Broken       bool   // the chain on disk is broken: an alarm
	Backlog      int64  // bytes that are durable and not yet in the archive
}

// Stats returns the counts so far.
func (j *Journal) Stats() Stats {
	j.reading.Lock()
	imported := j.imported
	j.reading.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.Backlog = max(j.durable.offset-imported.offset, 0)
	return s
}

func (j *Journal) count(fn func(*Stats)) {
	j.mu.Lock()
	fn(&j.stats)
	j.mu.Unlock()
}

var (
	linesDesc    = desc("journal_lines_total", "Lines of the audit journal made durable.")
	batchesDesc  = desc("journal_batches_total", "Writes that made lines of the audit journal durable.")
	failuresDesc = desc("journal_write_failures_total", "Writes of the audit journal that failed.")
	secondsDesc  = desc("journal_write_seconds_total", "Time spent writing the audit journal.")
	shipFailDesc = desc("journal_ship_failures_total", "Rounds of shipping the audit journal to the store that failed.")
	backlogDesc  = desc("journal_backlog_bytes", "Bytes of the audit journal that are not yet in the store.")
	brokenDesc   = desc("journal_broken", "1 when the chain of the audit journal on disk is broken.")
	refusedDesc  = desc("refusals_counted_total", "Refused calls that were counted instead of written.")
)

func desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("propusk_audit_"+name, help, nil, nil)
}

// Describe is part of prometheus.Collector.
func (j *Journal) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{linesDesc, batchesDesc, failuresDesc, secondsDesc, shipFailDesc, backlogDesc, brokenDesc} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (j *Journal) Collect(ch chan<- prometheus.Metric) {
	s := j.Stats()
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	counter(linesDesc, float64(s.Lines))
	counter(batchesDesc, float64(s.Batches))
	counter(failuresDesc, float64(s.Failures))
	counter(secondsDesc, s.Seconds)
	counter(shipFailDesc, float64(s.ShipFailures))
	broken := 0.0
	if s.Broken {
		broken = 1
	}
	ch <- prometheus.MustNewConstMetric(backlogDesc, prometheus.GaugeValue, float64(s.Backlog))
	ch <- prometheus.MustNewConstMetric(brokenDesc, prometheus.GaugeValue, broken)
}

// Describe is part of prometheus.Collector.
func (r *Refusals) Describe(ch chan<- *prometheus.Desc) { ch <- refusedDesc }

// Collect is part of prometheus.Collector.
func (r *Refusals) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(r.Counted()))
}
