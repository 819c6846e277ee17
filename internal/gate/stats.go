package gate

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/iam"
)

// Stats are the corridor's metrics: calls by method and code, and how long
// they took.
type Stats struct {
	calls *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

// NewStats makes the metrics; the caller registers them.
func NewStats() *Stats {
	return &Stats{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "propusk_calls_total", Help: "Calls that ended, by method and google.rpc code.",
		}, []string{"method", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "propusk_call_seconds", Help: "How long calls took inside the server.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5},
		}, []string{"method"}),
	}
}

// Describe implements prometheus.Collector.
func (s *Stats) Describe(ch chan<- *prometheus.Desc) { s.calls.Describe(ch); s.took.Describe(ch) }

// Collect implements prometheus.Collector.
func (s *Stats) Collect(ch chan<- prometheus.Metric) { s.calls.Collect(ch); s.took.Collect(ch) }

type stats struct {
	method string
	ok     prometheus.Counter
	calls  *prometheus.CounterVec
	took   prometheus.Observer
}

func (s *Stats) method(name string) *stats {
	return &stats{method: name, ok: s.calls.WithLabelValues(name, "OK"), calls: s.calls, took: s.took.WithLabelValues(name)}
}

func (s *stats) observe(code uint32, took time.Duration) {
	if code == 0 {
		s.ok.Inc()
	} else {
		s.calls.WithLabelValues(s.method, iam.Kind(code).Error()).Inc()
	}
	s.took.Observe(took.Seconds())
}
