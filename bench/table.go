package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// row is one line of the table. Floor is what it is compared with.
type row struct {
	what    string
	floor   string
	ours    string
	ratio   string
	promise string // "" when nothing is promised
	kept    bool
}

// table gathers rows and shows them at the end, and after them what other
// programs have printed.
type table struct {
	rows  []row
	after []string
}

func (t *table) add(r row) { t.rows = append(t.rows, r) }

// heading begins a part of the table.
func (t *table) heading(format string, args ...any) { t.add(row{what: fmt.Sprintf(format, args...)}) }

// compare adds a line with both values and their ratio, which is judged when
// most is above zero.
func (t *table) compare(what string, pairs []pair, of func(round) float64, format string, most float64) {
	floor := median(pairs, func(p pair) float64 { return of(p.base) })
	ours := median(pairs, func(p pair) float64 { return of(p.ours) })
	ratio := median(pairs, func(p pair) float64 { return of(p.ours) / of(p.base) })
	r := row{what: "  " + what, floor: fmt.Sprintf(format, floor), ours: fmt.Sprintf(format, ours), ratio: fmt.Sprintf("%.2f", ratio)}
	if most > 0 {
		r.promise, r.kept = fmt.Sprintf("ratio <= %.1f", most), ratio <= most
	}
	t.add(r)
}

// missed counts the promises that were not kept.
func (t *table) missed() int {
	n := 0
	for _, r := range t.rows {
		if r.promise != "" && !r.kept {
			n++
		}
	}
	return n
}

func (t *table) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tFLOOR\tPROPUSK\tRATIO\tPROMISE\t")
	for _, r := range t.rows {
		verdict := ""
		if r.promise != "" {
			verdict = "MISSED"
			if r.kept {
				verdict = "kept"
			}
		}
		fmt.Fprintln(w, strings.Join([]string{r.what, r.floor, r.ours, r.ratio, r.promise, verdict}, "\t"))
	}
	w.Flush()
	for _, text := range t.after {
		fmt.Fprintf(out, "\n%s", text)
	}
}
