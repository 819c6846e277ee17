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

// Addresses that came in capitals lose them. Where that makes two one, nobody
// vouches for either any more, and whoever types one comes to the account that he
// came to before.
func TestUpgradeMakesAddressesOne(t *testing.T) {
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
	if err := migrate(t.Context(), c, "memory", steps[:8]); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(`INSERT INTO user_accounts (id, login, email, name) VALUES ('u1', 'a', 'A@x', ''), ('u2', 'b', 'b@x', ''), ('u3', 'c', 'C@X', ''),
		('u4', 'd', 'c@x', ''), ('u5', 'e', 'E@x', ''), ('u6', 'f', 'e@X', ''), ('u7', 'g', '', ''), ('u8', 'h', '', ''), ('u9', 'i', 'Ä@x', ''), ('v1', 'j', 'ä@x', '')`); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), c, "memory", steps); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"u1": "a@x 1", "u2": "b@x 1", "u3": "C@X 0", "u4": "c@x 0", "u5": "e@x 0", "u6": "e@X 0", "u7": " 1", "u8": " 1", "u9": "Ä@x 1", "v1": "ä@x 1"} {
		n, err := c.number(`SELECT count(*) FROM user_accounts WHERE id = '` + id + `' AND email || ' ' || email_verified = '` + want + `'`)
		if err != nil || n != 1 {
			t.Errorf("%s is not %q; %v", id, want, err)
		}
	}
}
