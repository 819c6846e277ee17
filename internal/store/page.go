package store

import (
	"strconv"
	"strings"
)

// Page asks for a part of a list that is ordered by id. Ask for one row more
// than is shown to learn whether there is a next page.
type Page struct {
	After string // the last id of the page before; "" for the first page
	Limit int    // at most so many rows; 0 and less yield none
	Name  string // only the row with exactly this name; "" for all
}

// in writes "($n, …)" for a list of values and appends them to args. The list
// is padded with its last value to a power of two, so that few texts of a query
// exist however long the lists are. An empty list matches nothing.
func in[T ~string](args []any, values []T) (string, []any) {
	if len(values) == 0 {
		return "(NULL)", args
	}
	size := 1
	for size < len(values) {
		size *= 2
	}
	var b strings.Builder
	for i := range size {
		v := values[min(i, len(values)-1)]
		args = append(args, string(v))
		if i == 0 {
			b.WriteString("($")
		} else {
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(len(args)))
	}
	b.WriteByte(')')
	return b.String(), args
}

// placeholder names the last of args in a query.
func placeholder(args []any) string { return "$" + strconv.Itoa(len(args)) }

// listPage reads a page of a query that ends in a WHERE clause over a table
// with id and name.
func listPage[T any](tx *Tx, p Page, scan func(Rows) (T, error), query string, args ...any) ([]T, error) {
	if p.Limit <= 0 {
		return nil, nil
	}
	if p.Name != "" {
		args = append(args, p.Name)
		query += ` AND name = ` + placeholder(args)
	}
	return listByID(tx, p, scan, query, args...)
}

// listByID is listPage for a table whose rows have no name.
func listByID[T any](tx *Tx, p Page, scan func(Rows) (T, error), query string, args ...any) ([]T, error) {
	if p.Limit <= 0 {
		return nil, nil
	}
	if p.After != "" {
		args = append(args, p.After)
		query += ` AND id > ` + placeholder(args)
	}
	args = append(args, p.Limit)
	return collect(tx, scan, query+` ORDER BY id LIMIT `+placeholder(args), args...)
}
