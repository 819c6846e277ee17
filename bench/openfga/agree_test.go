package main

import "testing"

// All contestants give the same answers in small worlds, and the answers are
// worth comparing: many of each.
func TestAllAgree(t *testing.T) {
	small := size{clouds: 2, folders: 5, accounts: 20, users: 30, groups: 3, members: 8, bindings: 60, questions: 400}
	for seed := range uint64(3) {
		w := newWorld(seed, small)
		var first []bool
		for _, c := range contestants {
			got := answersOf(t, c, w)
			if first == nil {
				first = got
				allowed := share(first)
				if allowed < 0.1 || allowed > 0.9 {
					t.Errorf("seed %d: %.0f %% allowed, too dull to prove anything", seed, 100*allowed)
				}
			}
			if i := disagreement(first, got); i >= 0 {
				t.Errorf("seed %d: %s says %v to %s, %s says %v", seed, c.name, got[i], w.questions[i], contestants[0].name, first[i])
			}
		}
	}
}

func answersOf(t *testing.T, c contestant, w *world) []bool {
	t.Helper()
	a, err := c.open(t.Context(), w)
	if err != nil {
		t.Fatal(c.name, err)
	}
	defer func() {
		if err := a.close(); err != nil {
			t.Error(c.name, err)
		}
	}()
	got, err := answers(a, len(w.questions))
	if err != nil {
		t.Fatal(c.name, err)
	}
	return got
}

func TestTownHasThreeThousandFacts(t *testing.T) {
	if n := newWorld(1, town).facts(); n != 3000 {
		t.Errorf("%d facts", n)
	}
}
