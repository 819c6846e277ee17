package metadata_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/metadata/source"
)

type reports source.Status

func (r reports) Status() source.Status { return source.Status(r) }

func TestAccountMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	metadata.WatchAccounts(reg, map[string]metadata.Reporter{"app": reports{
		Token:     source.Renewal{Renewals: 3, Failures: 2, Remaining: 90 * time.Second, Stale: true},
		AccessKey: source.Renewal{Refused: true}}})
	metadata.WatchPool(reg, "pods", func() []source.Status {
		return []source.Status{{Token: source.Renewal{Remaining: time.Hour}}, {Token: source.Renewal{Remaining: time.Hour}}, {Token: source.Renewal{Remaining: time.Second, Stale: true}}, {}}
	})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if v := m.GetGauge().GetValue() + m.GetCounter().GetValue(); v != 0 {
				got = append(got, fmt.Sprint(strings.TrimPrefix(f.GetName(), "propusk_metadata_"), " ", strings.Join(labels, " "), " ", v))
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"client_accounts pods stale 1", "client_accounts pods well 2", "client_accounts pods without 1",
		"remaining_life_seconds app token 90", "renewals_total app token 3",
		"source_failures_total app token 2", "source_state app access_key refused 1", "source_state app token stale 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
