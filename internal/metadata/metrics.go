package metadata

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the counts of all doors of a program. A nil *Metrics counts nothing.
type Metrics struct {
	requests *prometheus.CounterVec
	waiters  *prometheus.GaugeVec
	refused  *prometheus.CounterVec
}

// NewMetrics registers the counts. Labels are listeners' names and fixed words.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "propusk_metadata_requests_total",
			Help: "Requests to the metadata address, by the manner (google, ec2 or none) and what became of them."},
			[]string{"listener", "flavour", "outcome"}),
		waiters: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "propusk_metadata_waiters",
			Help: "Requests that wait for a change."}, []string{"listener"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "propusk_metadata_connections_refused_total",
			Help: "Connections closed at once, because there were too many or they came from another machine."}, []string{"listener", "reason"}),
	}
	r.MustRegister(m.requests, m.waiters, m.refused)
	return m
}

func (m *Metrics) count(listener string, a *answer) {
	if m == nil {
		return
	}
	flavour := a.flavour
	if flavour == "" {
		flavour = "none"
	}
	m.requests.WithLabelValues(listener, flavour, a.outcome).Inc()
}

func (m *Metrics) waiting(listener string) (done func()) {
	if m == nil {
		return func() {}
	}
	g := m.waiters.WithLabelValues(listener)
	g.Inc()
	return g.Dec
}

func (m *Metrics) connectionRefused(listener, reason string) {
	if m != nil {
		m.refused.WithLabelValues(listener, reason).Inc()
	}
}
