package store

import (
	"maps"
	"slices"
	"time"
)

// touch moves a column of times forward in the rows with the given ids. Rows
// are taken in the order of their ids, so that two such batches cannot block
// each other.
func touch(tx *Tx, table, column string, last map[string]time.Time) error {
	query := `UPDATE ` + table + ` SET ` + column + ` = $1 WHERE id = $2 AND (` + column + ` IS NULL OR ` + column + ` < $1)`
	for _, id := range slices.Sorted(maps.Keys(last)) {
		if _, err := tx.exec(query, micros(last[id]), id); err != nil {
			return err
		}
	}
	return nil
}
