package access_test

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// worlds is how many random worlds a property is held against; a tenth of that
// in a hurry or under the race detector.
func worlds() int {
	if testing.Short() || raceDetector {
		return 10_000
	}
	return 100_000
}

func TestAgreesWithNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	allowed, asked := 0, 0
	for n := range worlds() {
		g := randomGuess(t, r)
		for range 12 {
			s, p, id := pick(r, g.subjects), pick(r, g.permissions), pick(r, g.ids)
			got, want := g.allows(t, s, p, id), g.naive(s, p, id)
			if got != want {
				t.Fatalf("world %d: %v %s on %s: %v, naively %v\nbound: %v", n, s, p, id, got, want, g.bound)
			}
			asked++
			if got {
				allowed++
			}
		}
	}
	if allowed < asked/20 || allowed > asked*19/20 {
		t.Errorf("%d of %d allowed: the worlds are too dull to prove anything", allowed, asked)
	}
}

// Adding a binding never removes a permission, and removing it and adding it
// again changes nothing.
func TestBindingsOnlyAdd(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range worlds() / 20 {
		g := randomGuess(t, r)
		before := g.everything(t)
		id, holder, role := pick(r, g.ids), pick(r, g.holders), pick(r, g.roles).ID
		had := slices.Contains(g.bound[pair{id, holder}], role)
		g.bind(id, holder, role)
		after := g.everything(t)
		for i := range before {
			if before[i] && !after[i] {
				t.Fatalf("binding %s to %s on %s took a permission away", role, holder, id)
			}
		}
		g.unbind(id, holder, role)
		if without := g.everything(t); !had && !slices.Equal(before, without) {
			t.Fatal("removing the binding does not undo adding it")
		}
		g.bind(id, holder, role)
		if !slices.Equal(after, g.everything(t)) {
			t.Fatal("removing and adding the binding changed something")
		}
	}
}

// What a binding grants on a resource, the same binding on an ancestor grants
// there too.
func TestAncestorGrantsAtLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range worlds() / 20 {
		g := randomGuess(t, r)
		id, holder, role := pick(r, g.ids), pick(r, g.holders), pick(r, g.roles).ID
		path, err := g.Ancestors(id)
		if err != nil {
			t.Fatal(err)
		}
		clear(g.bound)
		g.bind(id, holder, role)
		below := g.everything(t)
		g.unbind(id, holder, role)
		g.bind(pick(r, path).ID, holder, role)
		above := g.everything(t)
		for i := range below {
			if below[i] && !above[i] {
				t.Fatalf("%s to %s on %s grants more than above it", role, holder, id)
			}
		}
	}
}

// Binding a policy never grants, denies what it is for and nothing else, and
// taking it off undoes it.
func TestPoliciesOnlyDeny(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	denied := 0
	for range worlds() / 20 {
		g := randomGuess(t, r)
		id, template := pick(r, g.ids), pick(r, someTemplates)
		if slices.Contains(g.denied[id], template) {
			continue
		}
		before := g.everything(t)
		g.deny(id, template)
		after := g.everything(t)
		for i := range before {
			what := g.permissions[i/len(g.ids)%len(g.permissions)]
			if after[i] && !before[i] {
				t.Fatalf("%s on %s grants %s", template, id, what)
			}
			if before[i] && !after[i] {
				denied++
				if !slices.Contains(naiveDenies[template], what) {
					t.Fatalf("%s on %s denies %s", template, id, what)
				}
			}
		}
		g.allow(id, template)
		if !slices.Equal(before, g.everything(t)) {
			t.Fatal("taking the policy off does not undo it")
		}
	}
	if denied == 0 {
		t.Error("nothing was ever denied: this proves nothing")
	}
}

// everything asks every question of a world.
func (g *guess) everything(t *testing.T) []bool {
	t.Helper()
	var all []bool
	for _, s := range g.subjects {
		for _, p := range g.permissions {
			for _, id := range g.ids {
				all = append(all, g.allows(t, s, p, id))
			}
		}
	}
	return all
}
