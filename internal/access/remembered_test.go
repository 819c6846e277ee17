package access_test

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/resource"
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
	h.update(func(tx *store.Tx) error {
		return store.BindPolicy(tx, "acme", store.PolicyBinding{TemplateID: "iam.denyServiceAccountCreation"})
	})
	for name, ask := range map[string]*question{
		"refused":            h.question(alice, "iam.serviceAccounts.update", "robot"),
		"allowed":            h.question(alice, "iam.serviceAccounts.get", "robot"),
		"allowed, no policy": h.question(stranger, "iam.keys.create", "robot"),
		"denied by a policy": h.question(stranger, "iam.serviceAccounts.create", "dev"),
		"below our tree":     h.pathQuestion(alice, "resource-manager.folders.get"),
	} {
		t.Run(name, func(t *testing.T) {
			keys := make([]store.Change, 0, 32)
			n := testing.AllocsPerRun(1000, func() {
				if _, _, err := h.replica.ConsistentInto(t.Context(), keys, ask.fn); err != nil {
					t.Fatal(err)
				}
			})
			if n >= 1 {
				t.Errorf("%v allocations for a check of what is remembered: %+v", n, ask.d)
			}
		})
	}
}

// A grant that is found before all is remembered is an answer as well: it is
// kept, and the rest is not asked for.
func TestEarlyAnswerAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are not counted under the race detector")
	}
	h := newHouse(t)
	h.crowd(10)
	ask := h.question(alice, "iam.serviceAccounts.get", "robot")
	keys := make([]store.Change, 0, 32)
	check := func() {
		if _, _, err := h.replica.ConsistentInto(t.Context(), keys, ask.fn); err != nil || !ask.d.Allowed {
			t.Fatalf("%+v, %v", ask.d, err)
		}
	}
	check()
	h.update(func(tx *store.Tx) error { return h.bind(tx, "acme", "viewer", alice.ID) }) // above the grant on "dev"
	before := h.queries.Load()
	if n := testing.AllocsPerRun(1000, check); n >= 1 {
		t.Errorf("%v allocations for a grant that is remembered, beside a binding that is not", n)
	}
	if n := h.queries.Load() - before; n > 0 {
		t.Errorf("%d queries for a grant that is remembered", n)
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
		"denied by a policy":         {stranger, "iam.serviceAccounts.create", "dev", true, 2},
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

var stranger = iam.Subject{ID: "stranger1", Type: iam.TypeUserAccount} // of crowd

func (h *house) question(who iam.Subject, what iam.Permission, id string) *question {
	q := &question{}
	q.fn = func(v *replica.View) (err error) {
		v.About(who.ID)
		q.d, err = h.checker.Check(v, who, what, id)
		return err
	}
	return q
}

// pathQuestion asks about a table in a database in "dev", neither of which is
// in the tree, as AccessService does.
func (h *house) pathQuestion(who iam.Subject, what iam.Permission) *question {
	q := &question{}
	below := []resource.Ref{{Kind: "ydb.table", ID: "table"}, {Kind: "ydb.database", ID: "database"}}
	path := make([]resource.Ref, 0, 8)
	q.fn = func(v *replica.View) error {
		v.About(who.ID)
		up, err := v.Ancestors("dev")
		if err != nil {
			return err
		}
		path = append(append(path[:0], below...), up...)
		q.d, err = h.checker.CheckPath(v, who, what, path)
		return err
	}
	return q
}

// What stands below our tree has what is bound above it, and the policies.
func TestCheckBelowTheTree(t *testing.T) {
	h := newHouse(t)
	h.update(func(tx *store.Tx) error { return h.bind(tx, "main", "editor", alice.ID) })
	ask := h.pathQuestion(alice, "iam.serviceAccounts.create")
	check := func(allowed bool) {
		t.Helper()
		for range 2 { // from the store, then from memory
			_, keys, err := h.replica.Consistent(t.Context(), ask.fn)
			if err != nil || ask.d.Allowed != allowed || len(ask.d.Path) != 5 || ask.d.Path[0].ID != "table" {
				t.Fatalf("%+v, %v", ask.d, err)
			}
			for _, id := range []string{"dev", "main", "acme"} {
				if !slices.Contains(keys, store.Change{Kind: store.ChangeResource, Key: id}) {
					t.Errorf("%s is not among what the decision rests on: %v", id, keys)
				}
			}
		}
	}
	check(true)
	h.update(func(tx *store.Tx) error {
		return store.BindPolicy(tx, "dev", store.PolicyBinding{TemplateID: "iam.denyServiceAccountCreation"})
	})
	check(false)
	if want := (access.Denial{Resource: resource.Ref{Kind: resource.Folder, ID: "dev"}, Template: "iam.denyServiceAccountCreation"}); ask.d.DeniedBy != want {
		t.Errorf("%+v, want denied by %+v", ask.d, want)
	}
	h.update(func(tx *store.Tx) error {
		_, err := store.RemoveBinding(tx, "main", iam.AccessBinding{Role: "editor", Subject: alice})
		return err
	})
	check(false)
	if ask.d.DeniedBy != (access.Denial{}) {
		t.Errorf("%+v, want a refusal for want of a role", ask.d)
	}
}

// BenchmarkCheck is a check of what is remembered: four ancestors with bindings
// on each, 100,000 on the folder by others, ten groups, three system groups.
// "refused" looks at everything; "deniable" is allowed and looks at policies.
func BenchmarkCheck(b *testing.B) {
	h := newHouse(b)
	h.crowd(10)
	h.strangers("dev", 100_000)
	for name, ask := range map[string]*question{
		"refused":       h.question(alice, "iam.serviceAccounts.create", "robot"),
		"allowed":       h.question(alice, "iam.serviceAccounts.get", "robot"),
		"deniable":      h.question(stranger, "iam.serviceAccounts.create", "robot"),
		"below-refused": h.pathQuestion(alice, "iam.serviceAccounts.create"),
	} {
		b.Run(name, func(b *testing.B) {
			keys := make([]store.Change, 0, 32)
			b.ReportAllocs()
			began := usedCPU()
			for b.Loop() {
				if _, _, err := h.replica.ConsistentInto(b.Context(), keys, ask.fn); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((usedCPU()-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
			if ask.d.Allowed != (name == "allowed" || name == "deniable") {
				b.Fatalf("%s: %+v", name, ask.d)
			}
		})
	}
}

// usedCPU is the user and system time of this process: the clock on the wall
// counts in what other programs do meanwhile.
func usedCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCheckCold is the same with nothing remembered.
func BenchmarkCheckCold(b *testing.B) {
	h := newHouse(b)
	h.crowd(10)
	h.strangers("dev", 100_000)
	ask := h.question(alice, "iam.serviceAccounts.create", "robot")
	b.ReportAllocs()
	var asked int64
	for b.Loop() {
		b.StopTimer()
		if err := h.replica.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		before := h.queries.Load()
		b.StartTimer()
		if _, _, err := h.replica.ConsistentInto(b.Context(), nil, ask.fn); err != nil {
			b.Fatal(err)
		}
		asked += h.queries.Load() - before
	}
	b.ReportMetric(float64(asked)/float64(b.N), "queries/op")
}
