package metadata

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/metadata/source"
)

// Reporter is an account that tells how its renewal goes.
type Reporter interface{ Status() source.Status }

// accountMetrics reads what accounts tell when the metrics are asked for.
type accountMetrics struct {
	accounts                         map[string]Reporter
	life, renewals, failures, states *prometheus.Desc
}

// WatchAccounts adds to the metrics how the renewal of accounts goes, by the
// names that the operator gave them.
func WatchAccounts(r prometheus.Registerer, accounts map[string]Reporter) {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"account", "credential"}, labels...), nil)
	}
	r.MustRegister(&accountMetrics{accounts: accounts,
		life:     describe("propusk_metadata_remaining_life_seconds", "What is left of the life of the credential that is served; 0 without one."),
		renewals: describe("propusk_metadata_renewals_total", "Credentials that were made."),
		failures: describe("propusk_metadata_source_failures_total", "Attempts to make a credential that brought none."),
		states: describe("propusk_metadata_source_state",
			"1 for each state that a source is in: stale (what is served should have been renewed), refused (IAM does not take the account's credential).", "state"),
	})
}

// Describe implements prometheus.Collector.
func (m *accountMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.life, m.renewals, m.failures, m.states} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *accountMetrics) Collect(to chan<- prometheus.Metric) {
	for name, a := range m.accounts {
		s := a.Status()
		m.collect(to, name, "token", s.Token)
		m.collect(to, name, "access_key", s.AccessKey)
	}
}

func (m *accountMetrics) collect(to chan<- prometheus.Metric, name, credential string, r source.Renewal) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, append([]string{name, credential}, labels...)...)
	}
	send(m.life, prometheus.GaugeValue, r.Remaining.Seconds())
	send(m.renewals, prometheus.CounterValue, float64(r.Renewals))
	send(m.failures, prometheus.CounterValue, float64(r.Failures))
	for state, in := range map[string]bool{"stale": r.Stale, "refused": r.Refused} {
		v := 0.0
		if in {
			v = 1
		}
		send(m.states, prometheus.GaugeValue, v, state)
	}
}

// poolMetrics counts accounts that come and go, of which there may be too many
// to name.
type poolMetrics struct {
	statuses func() []source.Status
	live     *prometheus.Desc
}

// WatchPool adds to the metrics how many accounts a listener made for its
// clients are there, by how they are.
func WatchPool(r prometheus.Registerer, listener string, statuses func() []source.Status) {
	r.MustRegister(&poolMetrics{statuses, prometheus.NewDesc("propusk_metadata_client_accounts",
		"Accounts made for clients of a listener: well, stale (what is served should have been renewed) or without a token.",
		[]string{"state"}, prometheus.Labels{"listener": listener})})
}

// Describe implements prometheus.Collector.
func (m *poolMetrics) Describe(to chan<- *prometheus.Desc) { to <- m.live }

// Collect implements prometheus.Collector.
func (m *poolMetrics) Collect(to chan<- prometheus.Metric) {
	counts := map[string]int{"well": 0, "stale": 0, "without": 0}
	for _, s := range m.statuses() {
		switch {
		case s.Token.Remaining <= 0:
			counts["without"]++
		case s.Token.Stale:
			counts["stale"]++
		default:
			counts["well"]++
		}
	}
	for state, n := range counts {
		to <- prometheus.MustNewConstMetric(m.live, prometheus.GaugeValue, float64(n), state)
	}
}
