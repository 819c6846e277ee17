package cloudapi

import (
	"context"

	"github.com/propusk/propusk/internal/store"
)

// PageByID answers a list request whose rows come from one table in the order of
// their ids: the page, each row as show shows it, and the token of the next one.
// read is the table's list function and gets the request's parent.
func PageByID[Row any, M interface{ GetId() string }](ctx context.Context, db *store.DB, p Pages, l List,
	read func(tx *store.Tx, parent string, page store.Page) ([]Row, error), show func(Row) M) ([]M, string, error) {
	after, size, err := p.Open(l)
	if err != nil {
		return nil, "", err
	}
	var rows []Row
	err = db.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = read(tx, l.Parent, store.Page{After: after, Limit: size + 1})
		return err
	})
	if err != nil {
		return nil, "", err
	}
	page := make([]M, len(rows))
	for i, row := range rows {
		page[i] = show(row)
	}
	page, next := Cut(p, l, page, size, func(m M) string { return m.GetId() })
	return page, next, nil
}
