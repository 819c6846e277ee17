package postgres

import (
	"database/sql"
	"fmt"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/propusk/propusk/internal/iam"
)

// arguments turns the types that store.Conn takes into those that the driver
// encodes for every column: int64, string and []byte. A boolean is 0 or 1.
func arguments(args []any) ([]any, error) {
	values := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case nil, int64, []byte:
			values[i] = a
		case string:
			if err := checkText(a); err != nil {
				return nil, err
			}
			values[i] = a
		case int:
			values[i] = int64(a)
		default:
			v, err := argument(a)
			if err != nil {
				return nil, fmt.Errorf("postgres: argument %d: %w", i+1, err)
			}
			values[i] = v
		}
	}
	return values, nil
}

// argument serves named types and the rarer integers.
func argument(a any) (any, error) {
	v := reflect.ValueOf(a)
	switch {
	case v.CanInt():
		return v.Int(), nil
	case v.CanUint():
		if v.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%d is too large", v.Uint())
		}
		return int64(v.Uint()), nil
	case v.Kind() == reflect.String:
		return v.String(), checkText(v.String())
	case v.Kind() == reflect.Bool:
		if v.Bool() {
			return int64(1), nil
		}
		return int64(0), nil
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return v.Bytes(), nil
	}
	return nil, fmt.Errorf("cannot store %T", a)
}

// checkText refuses what no text column of PostgreSQL can hold, before it
// breaks the transaction.
func checkText(s string) error {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return iam.Errorf(iam.InvalidArgument, "A text is not UTF-8 or contains a zero character")
	}
	return nil
}

// rows is an answer that was read as a whole. It implements store.Rows.
type rows struct {
	values   [][]any
	at       int // the row that Scan reads, counted from 1
	affected int64
}

func readAll(answer pgx.Rows) (*rows, error) {
	defer answer.Close()
	r := &rows{}
	for answer.Next() {
		v, err := answer.Values()
		if err != nil {
			return nil, err
		}
		r.values = append(r.values, v)
	}
	answer.Close()
	if err := answer.Err(); err != nil {
		return nil, err
	}
	r.affected = answer.CommandTag().RowsAffected()
	return r, nil
}

func (r *rows) Next() bool {
	if r.at >= len(r.values) {
		return false
	}
	r.at++
	return true
}

func (r *rows) Err() error { return nil }

func (r *rows) Close() error {
	r.at = len(r.values)
	return nil
}

func (r *rows) Scan(dest ...any) error {
	if r.at == 0 || r.at > len(r.values) {
		return fmt.Errorf("postgres: Scan without a row")
	}
	row := r.values[r.at-1]
	if len(dest) != len(row) {
		return fmt.Errorf("postgres: %d destinations for %d columns", len(dest), len(row))
	}
	for i, d := range dest {
		if err := assign(d, row[i]); err != nil {
			return fmt.Errorf("postgres: column %d: %w", i+1, err)
		}
	}
	return nil
}

func assign(dest, v any) error {
	switch n := v.(type) { // of literals and of what others have declared so
	case int32:
		v = int64(n)
	case int16:
		v = int64(n)
	}
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
func assignSlowly(dest, v any) error {
	p := reflect.ValueOf(dest)
	if p.Kind() == reflect.Pointer && !p.IsNil() {
		e := p.Elem()
		switch v := v.(type) {
		case string:
			if e.Kind() == reflect.String {
				e.SetString(v)
				return nil
			}
		case bool:
			if e.Kind() == reflect.Bool {
				e.SetBool(v)
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
