package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"reflect"

	"github.com/propusk/propusk/internal/store"
	"modernc.org/sqlite"
)

// maxStatements bounds the prepared statements that a connection keeps. The
// store has fewer texts of queries than that.
const maxStatements = 512

// conn is one connection with its prepared statements. It speaks to the driver
// without database/sql between them: every connection has one user at a time,
// and the pool there costs more than a point read.
type conn struct {
	driver     driver.Conn
	statements map[string]*statement
	open       []*rows
}

type statement struct {
	driver.Stmt
	busy bool // its rows are being read
	kept bool
}

// connect opens a connection; pragmas go into the DSN, so that no connection
// is ever without them.
func connect(path string, pragmas []string) (*conn, error) {
	q := url.Values{"_pragma": pragmas}
	c, err := (&sqlite.Driver{}).Open("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
	if err != nil {
		return nil, err
	}
	return &conn{driver: c, statements: make(map[string]*statement)}, nil
}

func (c *conn) close() error {
	c.closeRows()
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.driver.Close())...)
}

// closeRows ends the queries that a transaction's function has left open.
func (c *conn) closeRows() {
	for len(c.open) > 0 {
		_ = c.open[len(c.open)-1].Close()
	}
}

func (c *conn) prepare(query string) (*statement, error) {
	if s, ok := c.statements[query]; ok && !s.busy {
		return s, nil
	}
	d, err := c.driver.Prepare(query)
	if err != nil {
		return nil, err
	}
	s := &statement{Stmt: d}
	if _, ok := c.statements[query]; !ok && len(c.statements) < maxStatements {
		s.kept = true
		c.statements[query] = s
	}
	return s, nil
}

func (s *statement) done() error {
	s.busy = false
	if s.kept {
		return nil
	}
	return s.Close()
}

// Exec implements store.Conn.
func (c *conn) Exec(query string, args ...any) (int64, error) {
	values, err := namedValues(args)
	if err != nil {
		return 0, err
	}
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	// The context is Background on purpose: a statement is never interrupted
	// half-way, the transaction looks at its context between statements.
	result, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), values)
	if err != nil {
		return 0, errors.Join(err, s.done())
	}
	if err := s.done(); err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query implements store.Conn.
func (c *conn) Query(query string, args ...any) (store.Rows, error) {
	values, err := namedValues(args)
	if err != nil {
		return nil, err
	}
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	r, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), values)
	if err != nil {
		return nil, errors.Join(err, s.done())
	}
	s.busy = true
	out := &rows{conn: c, statement: s, driver: r, values: make([]driver.Value, len(r.Columns()))}
	c.open = append(c.open, out)
	return out, nil
}

type rows struct {
	conn      *conn
	statement *statement
	driver    driver.Rows
	values    []driver.Value
	err       error
	closed    bool
}

func (r *rows) Next() bool {
	if r.closed || r.err != nil {
		return false
	}
	if err := r.driver.Next(r.values); err != nil {
		if !errors.Is(err, io.EOF) {
			r.err = err
		}
		return false
	}
	return true
}

func (r *rows) Err() error { return r.err }

func (r *rows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	for i := len(r.conn.open) - 1; i >= 0; i-- {
		if r.conn.open[i] == r {
			r.conn.open = append(r.conn.open[:i], r.conn.open[i+1:]...)
			break
		}
	}
	err := r.driver.Close()
	if r.err != nil {
		err = nil // resetting a failed statement repeats its error
	}
	return errors.Join(err, r.statement.done())
}

func (r *rows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("sqlite: %d destinations for %d columns", len(dest), len(r.values))
	}
	for i, d := range dest {
		if err := assign(d, r.values[i]); err != nil {
			return fmt.Errorf("sqlite: column %d: %w", i+1, err)
		}
	}
	return nil
}

func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return nil
		}
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *uint64:
		if n, ok := v.(int64); ok && n >= 0 {
			*d = uint64(n)
			return nil
		}
	case *[]byte:
		if b, ok := v.([]byte); ok {
			*d = b
			return nil
		}
	case sql.Scanner:
		return d.Scan(v)
	}
	return assignSlowly(dest, v)
}

// assignSlowly serves the types that are rare: named strings and other integers.
func assignSlowly(dest any, v driver.Value) error {
	p := reflect.ValueOf(dest)
	if p.Kind() == reflect.Pointer && !p.IsNil() {
		e := p.Elem()
		switch v := v.(type) {
		case string:
			if e.Kind() == reflect.String {
				e.SetString(v)
				return nil
			}
		case int64:
			switch {
			case e.CanInt() && !e.OverflowInt(v):
				e.SetInt(v)
				return nil
			case e.CanUint() && v >= 0 && !e.OverflowUint(uint64(v)):
				e.SetUint(uint64(v))
				return nil
			case e.Kind() == reflect.Bool:
				e.SetBool(v != 0)
				return nil
			}
		}
	}
	return fmt.Errorf("cannot put %T into %T", v, dest)
}

func namedValues(args []any) ([]driver.NamedValue, error) {
	if len(args) == 0 {
		return nil, nil
	}
	values := make([]driver.NamedValue, len(args))
	for i, a := range args {
		values[i].Ordinal = i + 1
		switch a := a.(type) {
		case nil, string, int64, []byte:
			values[i].Value = a
		case int:
			values[i].Value = int64(a)
		case uint64:
			if a > math.MaxInt64 {
				return nil, fmt.Errorf("sqlite: argument %d is too large", i+1)
			}
			values[i].Value = int64(a)
		default:
			v, err := driver.DefaultParameterConverter.ConvertValue(a)
			if err != nil {
				return nil, fmt.Errorf("sqlite: argument %d: %w", i+1, err)
			}
			values[i].Value = v
		}
	}
	return values, nil
}

// script runs statements that are run once and need no keeping.
func (c *conn) script(text string) error {
	_, err := c.driver.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

// number reads the one number that a query yields.
func (c *conn) number(query string) (n int64, err error) {
	r, err := c.Query(query)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if !r.Next() {
		return 0, errors.Join(r.Err(), fmt.Errorf("sqlite: no answer to %s", query))
	}
	return n, r.Scan(&n)
}
