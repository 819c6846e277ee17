package access_test

import (
	"math/rand/v2"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
)

var _ access.Reads = (*replica.View)(nil)

// A decision from what is remembered and one from the rows themselves are the
// same after every change.
func TestRememberedAgreesWithRows(t *testing.T) {
	h := newHouse(t)
	r := rand.New(rand.NewPCG(7, 8))
	ids := []string{"robot", "dev", "main", "acme"}
	holders := []iam.SubjectID{"alice", "bob", "devs", iam.AllUsers, iam.OrganizationUsers("acme")}
	roles := []iam.RoleID{"viewer", "editor", "admin", "resource-manager.viewer"}
	what := []iam.Permission{"iam.serviceAccounts.get", "iam.serviceAccounts.use", "resource-manager.folders.updateAccessBindings"}
	answers := map[bool]int{}
	for range 200 {
		h.update(func(tx *store.Tx) error { return h.shake(tx, r, pick(r, ids), pick(r, roles), pick(r, holders)) })
		for _, s := range []iam.Subject{alice, bob} {
			for _, p := range what {
				for _, id := range ids {
					var plain access.Decision
					err := h.db.View(t.Context(), func(tx *store.Tx) (err error) {
						plain, err = h.checker.Check(rows{tx}, s, p, id)
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					if d := h.decide(s, p, id); d.Allowed != plain.Allowed {
						t.Fatalf("%s %s on %s: %+v, from the rows %+v", s.ID, p, id, d, plain)
					}
					answers[plain.Allowed]++
				}
			}
		}
	}
	if answers[true] < 100 || answers[false] < 100 {
		t.Errorf("%v: too dull to prove anything", answers)
	}
}

// shake changes one thing at random.
func (h *house) shake(tx *store.Tx, r *rand.Rand, id string, role iam.RoleID, holder iam.SubjectID) error {
	var err error
	switch r.IntN(6) {
	case 0, 1:
		return h.bind(tx, id, role, holder)
	case 2:
		_, err = store.RemoveBinding(tx, id, iam.AccessBinding{Role: role, Subject: iam.Subject{ID: holder}})
	case 3:
		_, err = store.AddGroupMember(tx, "devs", bob)
	case 4:
		_, err = store.AddMember(tx, "acme", alice.ID)
	default:
		_, err = store.RemoveGroupMember(tx, "devs", bob.ID)
	}
	return err
}

func TestCheckAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are not counted under the race detector")
	}
	h := newHouse(t)
	h.crowd(10)
	ask := h.question("iam.serviceAccounts.create")
	keys := make([]store.Change, 0, 32)
	n := testing.AllocsPerRun(1000, func() {
		_, _, err := h.replica.ConsistentInto(t.Context(), keys, ask.fn)
		if err != nil || ask.d.Allowed || len(ask.d.Path) != 4 {
			t.Fatalf("%+v, %v", ask.d, err)
		}
	})
	if n >= 1 {
		t.Errorf("%v allocations for a check of what is remembered", n)
	}
}

// A check of what nobody has asked for before takes two queries, however many
// groups and ancestors there are.
func TestColdCheckTakesTwoQueries(t *testing.T) {
	h := newHouse(t)
	h.crowd(100)
	h.update(func(tx *store.Tx) error {
		return store.BindPolicy(tx, "main", store.PolicyBinding{TemplateID: "iam.denyServiceAccountCreation"})
	})
	for name, tc := range map[string]struct {
		who     iam.Subject
		what    iam.Permission
		id      string
		forget  bool
		queries int64
	}{
		"nothing is remembered":      {alice, "iam.serviceAccounts.create", "robot", true, 2},
		"allowed":                    {alice, "iam.serviceAccounts.get", "robot", true, 2},
		"nobody":                     {bob, "iam.serviceAccounts.create", "robot", true, 2},
		"denied by a policy":         {iam.Subject{ID: "stranger1", Type: iam.TypeUserAccount}, "iam.serviceAccounts.create", "dev", true, 2},
		"everything is remembered":   {alice, "iam.serviceAccounts.create", "robot", false, 0},
		"a new subject":              {iam.Subject{ID: "new", Type: iam.TypeUserAccount}, "iam.serviceAccounts.create", "robot", false, 2},
		"a known one, further above": {alice, "iam.serviceAccounts.create", "main", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func() { _ = h.decide(tc.who, tc.what, tc.id) }
			if err := h.replica.Start(t.Context()); err != nil { // forgets everything
				t.Fatal(err)
			}
			if !tc.forget {
				_ = h.decide(alice, "iam.serviceAccounts.create", "robot")
			}
			before := h.queries.Load()
			ask()
			if n := h.queries.Load() - before; n != tc.queries {
				t.Errorf("%d queries, want %d", n, tc.queries)
			}
		})
	}
}

// question is one that is asked again and again, without an allocation.
type question struct {
	d  access.Decision
	fn func(*replica.View) error
}

func (h *house) question(what iam.Permission) *question {
	q := &question{}
	q.fn = func(v *replica.View) (err error) {
		v.About(alice.ID)
		q.d, err = h.checker.Check(v, alice, what, "robot")
		return err
	}
	return q
}

// BenchmarkCheck is a check of what is remembered: four ancestors with bindings
// on each, ten groups, three system groups. "denied" looks at everything.
func BenchmarkCheck(b *testing.B) {
	h := newHouse(b)
	h.crowd(5000)
	for name, what := range map[string]iam.Permission{"denied": "iam.serviceAccounts.create", "allowed": "iam.serviceAccounts.get"} {
		b.Run(name, func(b *testing.B) {
			ask := h.question(what)
			keys := make([]store.Change, 0, 32)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := h.replica.ConsistentInto(b.Context(), keys, ask.fn); err != nil {
					b.Fatal(err)
				}
			}
			if ask.d.Allowed != (name == "allowed") {
				b.Fatalf("%s: %+v", name, ask.d)
			}
		})
	}
}

// BenchmarkCheckCold is the same with nothing remembered.
func BenchmarkCheckCold(b *testing.B) {
	h := newHouse(b)
	h.crowd(1000)
	ask := h.question("iam.serviceAccounts.create")
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		if err := h.replica.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, _, err := h.replica.ConsistentInto(b.Context(), nil, ask.fn); err != nil {
			b.Fatal(err)
		}
	}
}
