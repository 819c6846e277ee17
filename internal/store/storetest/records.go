package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

var recordTests = []test{
	{"operations", testOperations},
	{"idempotency", testIdempotency},
	{"planned deletions", testPendingDeletions},
	{"settings", testSettings},
	{"signing keys", testSigningKeys},
	{"revocations", testRevocations},
	{"audit events", testAuditEvents},
	{"audit segments", testAuditSegments},
	{"audit checkpoints", testAuditCheckpoints},
}

func testOperations(t *testing.T, f *fixture) {
	want := &iam.Operation{
		ID: "aje1", ResourceID: "r", Description: "Create key", CreatedBy: "alice", CreatedAt: created, ModifiedAt: created,
		Metadata: iam.Message{Type: "m.Metadata", Value: []byte{0, 1, 2, 255}},
	}
	f.told(t, nil, func(tx *store.Tx) error { return store.InsertOperation(tx, want) })
	want.Done, want.ModifiedAt = true, created.Add(time.Second)
	want.Response = iam.Message{Type: "m.Empty"} // no bytes at all: an empty message
	want.ErrorKind, want.ErrorText = iam.Aborted, "stopped"
	f.told(t, nil, func(tx *store.Tx) error { return store.UpdateOperation(tx, want) })
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetOperation(tx, "aje1")
		same(t, "operation", want, got)
		return err
	})
	f.refuse(t, iam.NotFound, "Operation aje2 not found", func(tx *store.Tx) error {
		return store.UpdateOperation(tx, &iam.Operation{ID: "aje2", CreatedAt: created, ModifiedAt: created})
	})
}

func testIdempotency(t *testing.T, f *fixture) {
	const method, id = "/yandex.cloud.iam.v1.KeyService/Create", "2f1c"
	claim := func(tx *store.Tx, subject iam.SubjectID, method, hash string) (*store.Idempotency, bool) {
		t.Helper()
		existing, claimed, err := store.ClaimIdempotency(tx, subject, method, id, []byte(hash), tx.Now().Add(store.IdempotencyLife))
		if err != nil {
			t.Fatal(err)
		}
		return existing, claimed
	}
	f.told(t, nil, func(tx *store.Tx) error {
		if _, claimed := claim(tx, "alice", method, "h1"); !claimed {
			t.Error("a free key was not claimed")
		}
		return store.SetIdempotencyResult(tx, "alice", method, id, "op1", "res1")
	})
	f.update(t, func(tx *store.Tx) error {
		existing, claimed := claim(tx, "alice", method, "h2")
		same(t, "claimed again", false, claimed)
		same(t, "existing", &store.Idempotency{RequestHash: []byte("h1"), OperationID: "op1", ResourceID: "res1", CreatedAt: created}, existing)
		for _, other := range []struct {
			subject iam.SubjectID
			method  string
		}{{"bob", method}, {"alice", "/other"}} {
			if _, claimed := claim(tx, other.subject, other.method, "h"); !claimed {
				t.Errorf("the key of %v is not that of alice's method", other)
			}
		}
		return nil
	})
	find := func(key string) (found *store.Idempotency) {
		t.Helper()
		f.view(t, func(tx *store.Tx) (err error) {
			found, err = store.FindIdempotency(tx, "alice", method, key)
			return err
		})
		return found
	}
	same(t, "found", &store.Idempotency{RequestHash: []byte("h1"), OperationID: "op1", ResourceID: "res1", CreatedAt: created}, find(id))
	f.advance(store.IdempotencyLife)
	if find(id) != nil || find("other") != nil {
		t.Error("a key is found that has expired or was never used")
	}
	f.update(t, func(tx *store.Tx) error {
		if _, claimed := claim(tx, "alice", method, "h3"); !claimed {
			t.Error("an expired key was not claimed")
		}
		n, err := store.DeleteExpiredIdempotency(tx)
		same(t, "expired", int64(2), n)
		return err
	})
	f.update(t, func(tx *store.Tx) error {
		existing, claimed := claim(tx, "alice", method, "h4")
		same(t, "claimed", false, claimed)
		same(t, "hash after expiry", []byte("h3"), existing.RequestHash)
		same(t, "result after expiry", "", existing.OperationID)
		return nil
	})
}

func testSettings(t *testing.T, f *fixture) {
	f.told(t, nil, func(tx *store.Tx) error {
		_, found, err := store.GetSetting(tx, store.SettingDev)
		same(t, "found", false, found)
		return all(err, store.SetSetting(tx, store.SettingInstallation, "i1"), store.SetSetting(tx, store.SettingInstallation, "i2"))
	})
	f.view(t, func(tx *store.Tx) error {
		value, found, err := store.GetSetting(tx, store.SettingInstallation)
		same(t, "setting", "i2", value)
		same(t, "found", true, found)
		return err
	})
}

func testSigningKeys(t *testing.T, f *fixture) {
	first := &store.SigningKey{ID: "k1", Purpose: store.PurposeIAM, Public: []byte{1}, Sealed: []byte{2, 0, 3}, CreatedAt: created, SignsFrom: created}
	next := &store.SigningKey{ID: "k0", Purpose: store.PurposeIAM, Public: []byte{4}, Sealed: []byte{5}, CreatedAt: created, SignsFrom: created.Add(time.Hour)}
	feed := &store.SigningKey{ID: "k2", Purpose: store.PurposeFeed, Public: []byte{6}, Sealed: []byte{7}, CreatedAt: created, SignsFrom: created}
	told := []store.Change{{Kind: store.ChangeSigningKeys}}
	f.told(t, told, func(tx *store.Tx) error {
		return all(store.InsertSigningKey(tx, next), store.InsertSigningKey(tx, first), store.InsertSigningKey(tx, feed))
	})
	first.SignsUntil = next.SignsFrom
	f.told(t, told, func(tx *store.Tx) error { return store.SetSigningKeyWindow(tx, "k1", created, next.SignsFrom) })
	f.told(t, told, func(tx *store.Tx) error { return store.DistrustSigningKey(tx, "k1") })
	first.DistrustedAt = created
	f.advance(time.Minute)
	f.update(t, func(tx *store.Tx) error { return store.DistrustSigningKey(tx, "k1") }) // keeps the first time
	list := func(want ...*store.SigningKey) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.ListSigningKeys(tx, store.PurposeIAM)
			same(t, "keys", want, got)
			return err
		})
	}
	list(first, next)
	f.told(t, nil, func(tx *store.Tx) error {
		return second(store.DeleteRetiredSigningKeys(tx, store.PurposeIAM, next.SignsFrom))
	})
	f.told(t, told, func(tx *store.Tx) error {
		return second(store.DeleteRetiredSigningKeys(tx, store.PurposeIAM, next.SignsFrom.Add(1e3)))
	})
	list(next)
	f.refuse(t, iam.NotFound, "Signing key k1 not found", func(tx *store.Tx) error { return store.DistrustSigningKey(tx, "k1") })
}

func testRevocations(t *testing.T, f *fixture) {
	f.world(t)
	before := f.head(t)
	short, long := created.Add(time.Hour), created.Add(12*time.Hour)
	f.update(t, func(tx *store.Tx) error {
		store.InsertRevocation(tx, uint8(token.KindSubject), robotID, long)
		store.InsertRevocation(tx, uint8(token.KindToken), robotID, short)
		return nil
	})
	subject := store.Revocation{Kind: uint8(token.KindSubject), Hash: token.HashID(token.KindSubject, robotID), Seq: before + 1, ExpiresAt: long}
	one := store.Revocation{Kind: uint8(token.KindToken), Hash: token.HashID(token.KindToken, robotID), Seq: before + 1, ExpiresAt: short}
	list := func(after iam.Position, want ...store.Revocation) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.ListRevocations(tx, after)
			same(t, "revocations", want, got)
			return err
		})
	}
	list(0, one, subject)
	f.update(t, func(tx *store.Tx) error { // again: a newer number, the later expiry
		store.InsertRevocation(tx, uint8(token.KindSubject), robotID, short)
		return nil
	})
	subject.Seq = before + 2
	list(0, one, subject)
	list(before+1, subject)
	list(before + 2)
	same(t, "feed", store.ChangeRevocation, f.changes(t, before+1)[0].Kind)
	f.advance(time.Hour)
	f.told(t, nil, func(tx *store.Tx) error {
		n, err := store.DeleteExpiredRevocations(tx)
		same(t, "expired", int64(1), n)
		return err
	})
	list(0, subject)
	for name, tt := range map[string]struct {
		after   iam.Position
		depends []token.Dependency
		want    bool
	}{
		"nothing":              {0, nil, false},
		"before it was ended":  {before + 1, []token.Dependency{{Kind: token.KindSession, ID: robotID}, {Kind: token.KindSubject, ID: robotID}}, true},
		"since it was ended":   {before + 2, []token.Dependency{{Kind: token.KindSubject, ID: robotID}}, false},
		"another of its kind":  {0, []token.Dependency{{Kind: token.KindSubject, ID: robotID + "x"}}, false},
		"another kind by name": {0, []token.Dependency{{Kind: token.KindCredential, ID: robotID}}, false},
	} {
		f.view(t, func(tx *store.Tx) error {
			got, err := store.Ended(tx, tt.depends, tt.after)
			same(t, name, tt.want, got)
			return err
		})
	}
}

func testAuditEvents(t *testing.T, f *fixture) {
	event := func(id string, second int, kind string, subject iam.SubjectID) *store.AuditEvent {
		return &store.AuditEvent{ID: id, Time: created.Add(time.Duration(second) * time.Second), Type: kind,
			SubjectID: subject, OrganizationID: orgID, Status: "DONE", Body: `{"event_id":"` + id + `"}`}
	}
	e1, e2, e3, e4 := event("d", 1, "Create", "alice"), event("c", 2, "Create", "bob"), event("a", 3, "Delete", "alice"), event("b", 3, "Create", "")
	f.told(t, nil, func(tx *store.Tx) error {
		for _, e := range []*store.AuditEvent{e4, e3, e2, e1} {
			if err := store.InsertAuditEvent(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	for name, tt := range map[string]struct {
		filter store.AuditFilter
		want   []*store.AuditEvent
	}{
		"all":     {store.AuditFilter{Limit: 9}, []*store.AuditEvent{e1, e2, e3, e4}},
		"since":   {store.AuditFilter{Limit: 9, Since: e2.Time}, []*store.AuditEvent{e2, e3, e4}},
		"until":   {store.AuditFilter{Limit: 9, Until: e2.Time}, []*store.AuditEvent{e1}},
		"type":    {store.AuditFilter{Limit: 9, Type: "Create"}, []*store.AuditEvent{e1, e2, e4}},
		"subject": {store.AuditFilter{Limit: 9, Subject: "alice"}, []*store.AuditEvent{e1, e3}},
		"page":    {store.AuditFilter{Limit: 2, After: store.AuditCursor{Time: e2.Time, ID: e2.ID}}, []*store.AuditEvent{e3, e4}},
		"within":  {store.AuditFilter{Limit: 9, After: store.AuditCursor{Time: e3.Time, ID: e3.ID}, Since: e1.Time, Type: "Create"}, []*store.AuditEvent{e4}},
		"none":    {store.AuditFilter{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f.view(t, func(tx *store.Tx) error {
				got, err := store.ListAuditEvents(tx, tt.filter)
				same(t, "events", tt.want, got)
				return err
			})
		})
	}
	f.update(t, func(tx *store.Tx) error {
		n, err := store.DeleteAuditEvents(tx, e3.Time)
		same(t, "deleted", int64(2), n)
		return err
	})
}

func testAuditSegments(t *testing.T, f *fixture) {
	segment := func(node string, offset int64, second int) *store.AuditSegment {
		at := created.Add(time.Duration(second) * time.Second)
		return &store.AuditSegment{Node: node, Incarnation: "i", Offset: offset, Length: 10,
			FirstTime: at, LastTime: at.Add(time.Second), ChainHead: []byte{byte(offset)}, Data: []byte("lines")}
	}
	a, b, c := segment("n1", 0, 0), segment("n1", 10, 5), segment("n2", 0, 5)
	f.told(t, nil, func(tx *store.Tx) error {
		return all(second(store.InsertAuditSegment(tx, c)), second(store.InsertAuditSegment(tx, b)), second(store.InsertAuditSegment(tx, a)))
	})
	f.update(t, func(tx *store.Tx) error {
		again := *b
		again.Data = []byte("forged")
		added, err := store.InsertAuditSegment(tx, &again)
		same(t, "added again", false, added)
		return err
	})
	for name, tt := range map[string]struct {
		filter store.AuditSegmentFilter
		want   []*store.AuditSegment
	}{
		"all":   {store.AuditSegmentFilter{Limit: 9}, []*store.AuditSegment{a, b, c}},
		"since": {store.AuditSegmentFilter{Limit: 9, Since: created.Add(2 * time.Second)}, []*store.AuditSegment{b, c}},
		"until": {store.AuditSegmentFilter{Limit: 9, Until: created.Add(5 * time.Second)}, []*store.AuditSegment{a}},
		"page":  {store.AuditSegmentFilter{Limit: 9, After: store.AuditSegmentPlace{FirstTime: b.FirstTime, Node: "n1", Incarnation: "i", Offset: 10}}, []*store.AuditSegment{c}},
	} {
		t.Run(name, func(t *testing.T) {
			f.view(t, func(tx *store.Tx) error {
				got, err := store.ListAuditSegments(tx, tt.filter)
				same(t, "segments", tt.want, got)
				return err
			})
		})
	}
	f.update(t, func(tx *store.Tx) error {
		end, err := store.AuditSegmentEnd(tx, "n1", "i")
		same(t, "end", int64(20), end)
		if err != nil {
			return err
		}
		n, err := store.PruneAuditSegments(tx, created.Add(2*time.Second))
		same(t, "pruned", int64(1), n)
		return err
	})
}

func testAuditCheckpoints(t *testing.T, f *fixture) {
	at := func(offset int64) *store.AuditCheckpoint {
		return &store.AuditCheckpoint{Node: "n1", Incarnation: "i", Offset: offset, Head: []byte{byte(offset)}, At: created}
	}
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.PutAuditCheckpoint(tx, at(5)), store.PutAuditCheckpoint(tx, at(9)), store.PutAuditCheckpoint(tx, at(7)))
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetAuditCheckpoint(tx, "n1", "i")
		same(t, "checkpoint", at(9), got)
		if err != nil {
			return err
		}
		list, err := store.ListAuditCheckpoints(tx)
		same(t, "checkpoints", []*store.AuditCheckpoint{at(9)}, list)
		_, miss := store.GetAuditCheckpoint(tx, "n1", "other")
		wantRefusal(t, miss, iam.NotFound, "Audit checkpoint n1/other not found")
		return err
	})
}
