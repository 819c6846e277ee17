package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var pagingTests = []test{
	{"a thousand rows", testThousandRows},
	{"a page stays while rows come and go", testStablePages},
	{"operations, newest first", testOperationPages},
	{"limits", testLimits},
}

const many = 1000

// shuffled ids: rows are not inserted in the order of the list.
func shuffledID(prefix string, i int) string { return fmt.Sprintf("%s%04d", prefix, i*617%many) }

func testThousandRows(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		for i := range many {
			err := all(
				store.InsertOrganization(tx, organization(shuffledID("bpg", i), "o")),
				store.InsertCloud(tx, cloud(shuffledID("c", i), orgID, "c")),
				store.InsertFolder(tx, folder(shuffledID("f", i), cloudID, shuffledID("f", i))),
				store.InsertServiceAccount(tx, robot(shuffledID("s", i), folderID, shuffledID("s", i))),
				store.InsertKey(tx, key(shuffledID("k", i), robotID)),
				store.InsertAPIKey(tx, apiKey(shuffledID("q", i), robotID)),
				second(store.AddMember(tx, orgID, iam.SubjectID(shuffledID("u", i)))),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, l := range manyLists {
		for _, size := range []int{1, 99, many, 10 * many} {
			f.checkWholeList(t, l, size)
		}
		if l.unique {
			f.view(t, func(tx *store.Tx) error {
				p := store.Page{Limit: 9, Name: l.prefix + "0500"}
				got, err := l.page(tx, p)
				same(t, "by name", []string{p.Name}, got)
				if err != nil {
					return err
				}
				p.After = p.Name
				got, err = l.page(tx, p)
				same(t, "by name, next page", 0, len(got))
				return err
			})
		}
	}
}

// list is one of the paged lists; its rows have ids, and names if they are
// unique, made of a prefix and four digits.
type list struct {
	prefix string
	unique bool
	page   func(tx *store.Tx, p store.Page) ([]string, error)
}

var manyLists = []list{
	{"bpg", false, func(tx *store.Tx, p store.Page) ([]string, error) {
		return ids(store.ListOrganizations(tx, p))(func(o *iam.Organization) string { return o.ID })
	}},
	{"c", false, func(tx *store.Tx, p store.Page) ([]string, error) {
		return ids(store.ListCloudsOf(tx, orgID, p))(func(c *iam.Cloud) string { return c.ID })
	}},
	{"f", true, func(tx *store.Tx, p store.Page) ([]string, error) {
		return ids(store.ListFolders(tx, cloudID, p))(func(f *iam.Folder) string { return f.ID })
	}},
	{"s", true, func(tx *store.Tx, p store.Page) ([]string, error) {
		return ids(store.ListServiceAccounts(tx, folderID, p))(func(a *iam.ServiceAccount) string { return a.ID })
	}},
	{"k", false, func(tx *store.Tx, p store.Page) ([]string, error) {
		return ids(store.ListKeys(tx, robotID, p))(func(k *iam.Key) string { return k.ID })
	}},
	{"q", false, func(tx *store.Tx, p store.Page) ([]string, error) {
		return ids(store.ListAPIKeys(tx, robotID, p))(func(k *iam.APIKey) string { return k.ID })
	}},
	{"u", false, func(tx *store.Tx, p store.Page) ([]string, error) {
		return ids(store.Members(tx, orgID, iam.SubjectID(p.After), p.Limit))(func(s iam.SubjectID) string { return string(s) })
	}},
}

// checkWholeList reads a list page by page.
func (f *fixture) checkWholeList(t *testing.T, l list, size int) {
	t.Helper()
	want := make([]string, many)
	for i := range want {
		want[i] = fmt.Sprintf("%s%04d", l.prefix, i)
	}
	var got []string
	f.view(t, func(tx *store.Tx) error {
		for p := (store.Page{Limit: size}); ; {
			page, err := l.page(tx, p)
			if err != nil || len(page) == 0 {
				return err
			}
			if len(page) > size {
				return fmt.Errorf("%d rows on a page of %d", len(page), size)
			}
			got, p.After = append(got, page...), page[len(page)-1]
		}
	})
	got = slices.DeleteFunc(got, func(id string) bool { return len(id) != len(l.prefix)+4 }) // the world's own
	if !slices.Equal(want, got) {
		t.Errorf("list %s by %d: %d rows, want %d in order", l.prefix, size, len(got), many)
	}
}

// ids takes a list and an error and then how to name an element.
func ids[T any](list []T, err error) func(id func(T) string) ([]string, error) {
	return func(id func(T) string) ([]string, error) {
		var names []string
		for _, v := range list {
			names = append(names, id(v))
		}
		return names, err
	}
}

func testStablePages(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		for _, id := range []string{"d1", "d3", "d5", "d7"} {
			if err := store.InsertFolder(tx, folder(id, cloudID, id)); err != nil {
				return err
			}
		}
		return nil
	})
	page := func(after string) (got []string) {
		f.view(t, func(tx *store.Tx) (err error) {
			got, err = ids(store.ListFolders(tx, cloudID, store.Page{After: after, Limit: 2}))(func(f *iam.Folder) string { return f.ID })
			return err
		})
		return got
	}
	same(t, "first", []string{folderID, "d1"}, page(""))
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertFolder(tx, folder("d0", cloudID, "d0")), store.InsertFolder(tx, folder("d2", cloudID, "d2")),
			second(store.DeleteFolder(tx, "d1"))) // the row that the page token names
	})
	same(t, "second", []string{"d2", "d3"}, page("d1"))
	same(t, "third", []string{"d5", "d7"}, page("d3"))
	same(t, "end", 0, len(page("d7")))
}

func testOperationPages(t *testing.T, f *fixture) {
	f.update(t, func(tx *store.Tx) error {
		for i := range 100 {
			at := created.Add(time.Duration(i/3) * time.Second) // several in one moment
			err := all(
				store.InsertOperation(tx, &iam.Operation{ID: fmt.Sprintf("op%02d", i), ResourceID: "r", CreatedAt: at, ModifiedAt: at}),
				store.InsertOperation(tx, &iam.Operation{ID: fmt.Sprintf("oq%02d", i), ResourceID: "R", CreatedAt: at, ModifiedAt: at}),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, size := range []int{1, 7, 100, 500} {
		var got []string
		f.view(t, func(tx *store.Tx) error {
			var after store.OperationCursor
			for {
				page, err := store.ListOperations(tx, "r", after, size)
				if err != nil || len(page) == 0 {
					return err
				}
				for _, o := range page {
					got = append(got, o.ID)
					after = store.OperationCursor{CreatedAt: o.CreatedAt, ID: o.ID}
				}
			}
		})
		if len(got) != 100 || got[0] != "op99" || got[99] != "op00" || !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("by %d: %v", size, got)
		}
	}
}

func testLimits(t *testing.T, f *fixture) {
	f.world(t)
	f.view(t, func(tx *store.Tx) error {
		for _, limit := range []int{0, -1} {
			got, err := store.ListFolders(tx, cloudID, store.Page{Limit: limit})
			if err != nil || len(got) != 0 {
				t.Errorf("limit %d: %d rows, %v", limit, len(got), err)
			}
		}
		return nil
	})
}
