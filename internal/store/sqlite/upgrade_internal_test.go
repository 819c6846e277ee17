package sqlite

import (
	"testing"
	"time"
)

// Ends of accounts that came before an end was recorded are not acted upon by
// the program that records them; those to come are.
func TestUpgradeRecordsOldEnds(t *testing.T) {
	e, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.connectWriter()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := migrate(t.Context(), c, "memory", steps[:5]); err != nil {
		t.Fatal(err)
	}
	if err := c.script(`PRAGMA foreign_keys = OFF`); err != nil { // nothing else is of interest
		t.Fatal(err)
	}
	now := time.Now()
	for id, end := range map[string]any{"old": now.AddDate(-1, 0, 0).UnixMicro(), "recent": now.Add(-time.Minute).UnixMicro(), "coming": now.Add(time.Hour).UnixMicro(), "endless": nil} {
		if _, err := c.Exec(`INSERT INTO service_accounts (id, folder_id, cloud_id, name, description, labels, status, suspend_reason, expires_at)
			VALUES ($1, 'f', 'c', $1, '', '{}', 'ACTIVE', '', $2)`, id, end); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrate(t.Context(), c, "memory", steps); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int64{"old": 1, "recent": 1, "coming": 0, "endless": 0} {
		got, err := c.number(`SELECT count(*) FROM service_accounts WHERE expiry_recorded = expires_at AND id = '` + id + `'`)
		if err != nil || got != want {
			t.Errorf("%s: %d recorded, want %d; %v", id, got, want, err)
		}
	}
}
