package main

import (
	"context"
	"fmt"
)

// What deciding may cost.
const (
	checkPromise    = 0.5 // us, with nothing to look up
	coldPromise     = 2   // queries, with nothing remembered
	bindingPromise  = 300 // bytes
	samePagePromise = 1.3 // times the first page
)

// check measures a decision with four ancestors, ten groups and 100,000
// bindings by others on the folder.
func (p *plan) check(ctx context.Context, t *table, _ *installation) error {
	say("checks")
	at, count := "1s", 5
	if p.short {
		at, count = "200ms", 3
	}
	found, err := goBench(ctx, "./internal/access", "BenchmarkCheck$|BenchmarkCheckCold$", at, count)
	if err != nil {
		return err
	}
	t.heading("a check: four ancestors, ten groups, 100,000 bindings on the folder by others")
	for _, c := range []struct{ name, text string }{
		{"refused", "refused"}, {"allowed", "allowed"}, {"deniable", "allowed, a policy looked at"},
		{"below-refused", "refused, below the tree"},
	} {
		m, ok := found["BenchmarkCheck/"+c.name]
		if !ok {
			return fmt.Errorf("BenchmarkCheck/%s was not run", c.name)
		}
		us := m.least("cpu-ns/op") / 1e3
		t.add(row{what: "  remembered, " + c.text + ", us of CPU", ours: fmt.Sprintf("%.3f", us),
			promise: fmt.Sprintf("<= %.1f", checkPromise), kept: us > 0 && us <= checkPromise})
		t.add(row{what: "  remembered, " + c.text + ", allocations", ours: fmt.Sprintf("%.0f", m.most("allocs/op")),
			promise: "0", kept: m.most("allocs/op") == 0})
	}
	cold, ok := found["BenchmarkCheckCold"]
	if !ok {
		return fmt.Errorf("BenchmarkCheckCold was not run")
	}
	t.add(row{what: "  nothing remembered, queries", ours: fmt.Sprintf("%.0f", cold.most("queries/op")),
		promise: fmt.Sprintf("<= %d", coldPromise), kept: cold.most("queries/op") <= coldPromise})
	t.add(row{what: "  nothing remembered, us", ours: fmt.Sprintf("%.0f", cold.least("ns/op")/1e3)})
	return nil
}

// manyBindings measures what many bindings on one folder take, and pages of them.
func (p *plan) manyBindings(ctx context.Context, t *table, _ *installation) error {
	say("%d bindings", p.bindings)
	name := fmt.Sprintf("BenchmarkManyBindings/%d", p.bindings)
	found, err := goBench(ctx, "./internal/replica", fmt.Sprintf("BenchmarkManyBindings$/^%d$", p.bindings), "1x", 1)
	if err != nil {
		return err
	}
	m, ok := found[name]
	if !ok {
		return fmt.Errorf("%s was not run", name)
	}
	t.heading("%d bindings on one folder", p.bindings)
	for _, unit := range []string{"heap", "accounted"} {
		bytes := m.most(unit + "-B/binding")
		t.add(row{what: "  " + unit + ", bytes each in memory", ours: fmt.Sprintf("%.0f", bytes),
			promise: fmt.Sprintf("<= %d", bindingPromise), kept: bytes > 0 && bytes <= bindingPromise})
	}
	first := m.least("start-us/page")
	t.add(row{what: "  a page of 1,000 at the start, us", ours: fmt.Sprintf("%.0f", first)})
	for _, place := range []string{"middle", "end"} {
		us := m.least(place + "-us/page")
		t.add(row{what: "  a page of 1,000 at the " + place + ", us", floor: fmt.Sprintf("%.0f", first), ours: fmt.Sprintf("%.0f", us),
			ratio:   fmt.Sprintf("%.2f", us/first),
			promise: fmt.Sprintf("ratio <= %.1f", samePagePromise), kept: us > 0 && us <= samePagePromise*first})
	}
	return nil
}
