package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// micros is how a time is stored: integer microseconds UTC, the zero time as NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

type timeColumn struct{ t *time.Time }

// asTime scans a column written with micros.
func asTime(t *time.Time) sql.Scanner { return timeColumn{t} }

func (c timeColumn) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*c.t = time.Time{}
	case int64:
		*c.t = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("store: a time is stored as %T", v)
	}
	return nil
}

// labels are stored as a JSON object; none as {}.
func labelsText(labels map[string]string) (string, error) {
	if len(labels) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(labels)
	return string(b), err
}

type labelsColumn struct{ m *map[string]string }

// asLabels scans a column written with labelsText; {} becomes nil.
func asLabels(m *map[string]string) sql.Scanner { return labelsColumn{m} }

func (c labelsColumn) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("store: labels are stored as %T", v)
	}
	*c.m = nil
	if s == "{}" {
		return nil
	}
	return json.Unmarshal([]byte(s), c.m)
}

type bytesColumn struct{ b *[]byte }

// asBytes scans a column of bytes that may be NULL; no bytes and NULL are the same.
func asBytes(b *[]byte) sql.Scanner { return bytesColumn{b} }

func (c bytesColumn) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*c.b = nil
	case []byte:
		*c.b = append([]byte(nil), v...)
	default:
		return fmt.Errorf("store: bytes are stored as %T", v)
	}
	return nil
}

// bytesOrNull is how bytes that asBytes reads are written.
func bytesOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// wordsOf is a list that is kept as words joined by spaces; nil when it is empty.
func wordsOf(text string) []string {
	if w := strings.Fields(text); len(w) > 0 {
		return w
	}
	return nil
}
