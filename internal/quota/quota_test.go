package quota_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/internal/store/sqlite"
)

var enforced = quota.Limits{Enforced: true}

var (
	org  = resource.Ref{Kind: resource.Organization, ID: "org"}
	home = resource.Ref{Kind: resource.Cloud, ID: "cloud"}
)

// onEngines runs a test on a store of each engine with what plant makes.
func onEngines(t *testing.T, run func(t *testing.T, db *store.DB)) {
	for name, open := range map[string]func(t *testing.T) (store.Engine, error){
		"sqlite": func(*testing.T) (store.Engine, error) { return sqlite.OpenMemory() },
		"postgres": func(t *testing.T) (store.Engine, error) {
			return postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(pgtest.Shared(t).Schema(t))})
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			db := store.New(engine, store.Options{})
			t.Cleanup(func() { _ = db.Close() })
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			update(t, db, plant)
			run(t, db)
		})
	}
}

// plant makes an organization with a cloud and a folder in it.
func plant(tx *store.Tx) error {
	return errors.Join(store.InsertOrganization(tx, &iam.Organization{ID: "org", Name: "org", CreatedAt: tx.Now()}),
		store.InsertCloud(tx, &iam.Cloud{ID: "cloud", OrganizationID: "org", Name: "cloud", CreatedAt: tx.Now()}),
		store.InsertFolder(tx, &iam.Folder{ID: "folder", CloudID: "cloud", Name: "folder", Status: iam.FolderActive, CreatedAt: tx.Now()}))
}

func update(t *testing.T, db *store.DB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func account(tx *store.Tx, id string) error {
	return store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: id, FolderID: "folder", Name: id, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
}

// violation is what an error tells of a quota; nil when it tells of none.
func violation(err error) *iam.QuotaViolation {
	var e *iam.Error
	if errors.As(err, &e) && e.Kind == iam.ResourceExhausted {
		return e.Quota
	}
	return nil
}

func TestOneOfManyTakesTheLastPlace(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		for round := range 5 {
			limit := int64(round*3 + 1) // one place is free in the first round, three from then on
			free := int64(1)
			if round > 0 {
				free = 3
			}
			update(t, db, func(tx *store.Tx) error { return quota.Set(tx, home, quota.ServiceAccounts, limit) })
			var made atomic.Int64
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					err := db.Update(context.Background(), func(tx *store.Tx) error {
						if err := enforced.Reserve(tx, quota.ServiceAccounts, "folder", 1); err != nil {
							return err
						}
						return account(tx, fmt.Sprintf("a%d-%d", round, i))
					})
					want := &iam.QuotaViolation{Metric: "iam.serviceAccounts.count", Limit: limit, Usage: limit, Required: limit + 1}
					switch {
					case err == nil:
						made.Add(1)
					case !cmp.Equal(violation(err), want):
						t.Errorf("refused with %v, %+v", err, violation(err))
					}
				})
			}
			wg.Wait()
			if made.Load() != free {
				t.Errorf("round %d: %d were made, %d places were free", round, made.Load(), free)
			}
		}
	})
}

// Bindings are counted when they are there: who adds what is there already must
// not be refused at the limit.
func TestOneOfManyBindsTheLast(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		update(t, db, func(tx *store.Tx) error { return quota.Set(tx, org, quota.AccessBindings, 3) })
		bind := func(id string, subjects ...string) error {
			return db.Update(context.Background(), func(tx *store.Tx) error {
				if err := enforced.Hold(tx, quota.AccessBindings, id); err != nil {
					return err
				}
				added := 0
				for _, s := range subjects {
					did, err := store.AddBinding(tx, id, iam.AccessBinding{Role: "viewer", Subject: iam.Subject{ID: iam.SubjectID(s), Type: iam.TypeServiceAccount}})
					if err != nil {
						return err
					}
					if did {
						added++
					}
				}
				return enforced.Added(tx, quota.AccessBindings, id, added)
			})
		}
		if err := bind("cloud", "a", "b"); err != nil {
			t.Fatal(err)
		}
		var bound atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				err := bind([]string{"cloud", "folder", "org"}[i%3], "a", "b", fmt.Sprint("c", i))
				if err == nil {
					bound.Add(1)
				} else if violation(err) == nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// On the cloud one is new, elsewhere three are: only the former can fit.
		if bound.Load() > 1 {
			t.Errorf("%d passed", bound.Load())
		}
		if err := bind("cloud", "a", "b"); err != nil {
			t.Errorf("nothing new, and refused: %v", err)
		}
		err := bind("folder", "x", "y", "z", "w")
		if v := violation(err); v == nil || v.Limit != 3 || v.Required != v.Usage+4 {
			t.Errorf("four more: %v %+v", err, v)
		}
	})
}

func TestReserve(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		update(t, db, func(tx *store.Tx) error {
			return errors.Join(account(tx, "a1"), account(tx, "a2"), account(tx, "a3"), quota.Set(tx, home, quota.ServiceAccounts, 4),
				quota.Set(tx, org, quota.Clouds, 0), quota.Set(tx, home, quota.Folders, quota.Unlimited))
		})
		for _, c := range []struct {
			what   string
			limits quota.Limits
			id     quota.ID
			at     string
			more   int
			want   *iam.QuotaViolation
		}{
			{"fits", enforced, quota.ServiceAccounts, "cloud", 1, nil},
			{"fits from below", enforced, quota.ServiceAccounts, "a1", 1, nil},
			{"one too many", enforced, quota.ServiceAccounts, "folder", 2, &iam.QuotaViolation{Metric: "iam.serviceAccounts.count", Limit: 4, Usage: 3, Required: 5}},
			{"nothing to add", enforced, quota.ServiceAccounts, "folder", 0, nil},
			{"not enforced", quota.Limits{}, quota.ServiceAccounts, "folder", 1000, nil},
			{"default", enforced, quota.AuthorizedKeys, "a1", 1000, nil},
			{"above the default", enforced, quota.AuthorizedKeys, "a1", 1001, &iam.QuotaViolation{Metric: "iam.authorizedKeys.count", Limit: 1000, Required: 1001}},
			{"more than allowed is there already", enforced, quota.Clouds, "org", 1, &iam.QuotaViolation{Metric: "organization-manager.clouds.count", Usage: 1, Required: 2}},
			{"unlimited", enforced, quota.Folders, "cloud", 1 << 30, nil},
		} {
			err := db.Update(t.Context(), func(tx *store.Tx) error { return c.limits.Reserve(tx, c.id, c.at, c.more) })
			if !cmp.Equal(violation(err), c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s: %v %+v, want %+v", c.what, err, violation(err), c.want)
			}
		}
		err := db.Update(t.Context(), func(tx *store.Tx) error { return enforced.Reserve(tx, quota.ServiceAccounts, "none", 1) })
		if !errors.Is(err, iam.NotFound) {
			t.Errorf("nowhere: %v", err)
		}
		for _, wrong := range []struct {
			id quota.ID
			at string
		}{{"no.such.quota", "cloud"}, {quota.WLIFederations, "cloud"}, {quota.ServiceAccounts, "org"}} {
			err := db.Update(t.Context(), func(tx *store.Tx) error { return enforced.Reserve(tx, wrong.id, wrong.at, 1) })
			if err == nil || iam.KindOf(err) != iam.Internal {
				t.Errorf("%s at %s must not pass: %v", wrong.id, wrong.at, err)
			}
		}
	})
}

func TestGroupsAreCountedEach(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		update(t, db, func(tx *store.Tx) error {
			return errors.Join(quota.Set(tx, org, quota.GroupMembers, 1), quota.Set(tx, org, quota.SubjectGroups, 1),
				store.InsertGroup(tx, &iam.Group{ID: "g1", OrganizationID: "org", Name: "g1", CreatedAt: tx.Now()}),
				store.InsertGroup(tx, &iam.Group{ID: "g2", OrganizationID: "org", Name: "g2", CreatedAt: tx.Now()}))
		})
		join := func(group, subject string) error {
			return db.Update(t.Context(), func(tx *store.Tx) error {
				if err := enforced.ReserveOf(tx, quota.GroupMembers, group, group, 1); err != nil {
					return err
				}
				if err := enforced.ReserveOf(tx, quota.SubjectGroups, group, subject, 1); err != nil {
					return err
				}
				_, err := store.AddGroupMember(tx, group, iam.Subject{ID: iam.SubjectID(subject), Type: iam.TypeUserAccount})
				return err
			})
		}
		for _, c := range []struct{ group, subject, refused string }{
			{"g1", "u1", ""}, {"g1", "u2", "organization-manager.groupMembers.count"}, {"g2", "u1", "organization-manager.subjectGroups.count"}, {"g2", "u2", ""},
		} {
			v := violation(join(c.group, c.subject))
			if (v == nil) != (c.refused == "") || (v != nil && v.Metric != c.refused) {
				t.Errorf("%s into %s: %+v, want %q", c.subject, c.group, v, c.refused)
			}
		}
	})
}

func TestState(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		update(t, db, func(tx *store.Tx) error {
			return errors.Join(account(tx, "a1"), account(tx, "a2"), quota.Set(tx, home, quota.ServiceAccounts, 1))
		})
		err := db.View(t.Context(), func(tx *store.Tx) error {
			s, err := quota.StateOf(tx, home, quota.ServiceAccounts)
			if err != nil || s.Limit != 1 || s.Usage != 2 || !s.Counted {
				t.Errorf("accounts: %+v, %v", s, err)
			}
			for id, limit := range map[quota.ID]int64{quota.WLIFederations: 50, quota.Credentials: 200} {
				if s, err := quota.StateOf(tx, home, id); err != nil || s.Counted || s.Limit != limit {
					t.Errorf("%s: %+v, %v", id, s, err)
				}
			}
			for _, id := range []quota.ID{quota.Groups, "none"} {
				if _, err := quota.StateOf(tx, home, id); !errors.Is(err, iam.NotFound) {
					t.Errorf("%s of a cloud: %v", id, err)
				}
			}
			if _, err := quota.CarrierOf(tx, "folder"); !errors.Is(err, iam.InvalidArgument) {
				t.Errorf("a folder carries quotas: %v", err)
			}
			_, err = quota.CarrierOf(tx, "none")
			if !errors.Is(err, iam.NotFound) {
				t.Errorf("no such resource: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestTable(t *testing.T) {
	seen := map[quota.ID]bool{}
	for _, kind := range []resource.Kind{resource.Cloud, resource.Organization} {
		for _, q := range quota.Of(kind, "") {
			if seen[q.ID] || q.Default <= 0 || q.What == "" || q.Service().ID == "" {
				t.Errorf("row %+v", q)
			}
			seen[q.ID] = true
		}
	}
	if len(seen) != 14 {
		t.Errorf("%d quotas belong to a cloud or an organization", len(seen))
	}
	if quota.HasQuotas(resource.Folder) || len(quota.Services(resource.ServiceAccount)) != 0 {
		t.Error("a folder or an account carries quotas")
	}
}
