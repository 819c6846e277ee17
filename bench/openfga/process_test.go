package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// A contestant answers everything first, then measures once for each window,
// going on with the questions where it stopped.
func TestContestantAnswersThenMeasures(t *testing.T) {
	const n = 200
	var out strings.Builder
	if err := contest(t.Context(), "propusk", 1, n, strings.NewReader("1ms\n2ms\n"), &out); err != nil {
		t.Fatal(err)
	}
	said := json.NewDecoder(strings.NewReader(out.String()))
	var o opened
	if err := said.Decode(&o); err != nil || len(o.Answers) != n {
		t.Fatalf("%d answers, %v", len(o.Answers), err)
	}
	s := town
	s.questions = n
	if want := answersOf(t, contestants[0], newWorld(1, s)); !slices.Equal(o.Answers, want) {
		t.Error("the process answers otherwise than the contestant does")
	}
	for range 2 {
		var r round
		if err := said.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Checks == 0 || r.Wall <= 0 || r.Memory == 0 {
			t.Errorf("%+v", r)
		}
	}
	if said.More() {
		t.Error("it says more than it was asked for")
	}
}

func TestContestRefusesNonsense(t *testing.T) {
	if err := contest(t.Context(), "nobody", 1, 1, strings.NewReader(""), &strings.Builder{}); err == nil {
		t.Error("a contestant that does not exist took part")
	}
	if err := contest(t.Context(), "propusk", 1, 1, strings.NewReader("soon\n"), &strings.Builder{}); err == nil {
		t.Error("a window that is no time was measured")
	}
}

func TestMeasureGoesRound(t *testing.T) {
	a := &counting{}
	first, err := measure(a, 0, 3, 0)
	if err != nil || first.Checks != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	r, err := measure(a, 2, 3, 1)
	if err != nil || r.Checks != len(a.asked) || r.Checks == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, q := range a.asked {
		if q != (2+i)%3 {
			t.Fatalf("question %d was number %d", i, q)
		}
	}
}

type counting struct{ asked []int }

func (c *counting) ask(i int) (bool, error) {
	c.asked = append(c.asked, i)
	return true, nil
}

func (c *counting) close() error { return nil }

func TestDisagreement(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"yny", "yny", -1}, {"yny", "yyy", 1}, {"yny", "yn", -1}, {"y", "nyy", 0}} {
		if got := disagreement(said(c.a), said(c.b)); got != c.want {
			t.Errorf("%s and %s differ at %d, got %d", c.a, c.b, c.want, got)
		}
	}
}

func said(s string) []bool {
	var all []bool
	for _, c := range s {
		all = append(all, c == 'y')
	}
	return all
}
