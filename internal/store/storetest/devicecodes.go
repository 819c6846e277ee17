package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var deviceCodeTests = []test{
	{"asking and answering", testDeviceCodes},
	{"answered and used once", testDeviceCodeRaces},
	{"ends", testDeviceCodeEnds},
}

func deviceCode(name string) *iam.DeviceCode {
	now := start.Truncate(time.Microsecond)
	return &iam.DeviceCode{Lookup: "l" + name, UserCode: "u" + name, ClientID: "c1", ClientInfo: "tv/1", Scopes: []string{"openid", "cloud"},
		KeyThumbprint: "k", Address: "192.0.2.1", Wait: 5 * time.Second, CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute)}
}

const noDeviceCode = "Device code of this text not found"

func (f *fixture) device(t *testing.T, want *iam.DeviceCode) {
	t.Helper()
	f.told(t, nil, func(tx *store.Tx) error {
		got, err := store.GetDeviceCode(tx, want.Lookup)
		same(t, "device code", want, got)
		return err
	})
}

func testDeviceCodes(t *testing.T, f *fixture) {
	f.people(t)
	d := deviceCode("1")
	f.told(t, nil, func(tx *store.Tx) error { return store.InsertDeviceCode(tx, d) })
	f.device(t, d)
	twin := deviceCode("2")
	twin.UserCode = d.UserCode
	f.refuse(t, iam.AlreadyExists, "Device code already exists", func(tx *store.Tx) error { return store.InsertDeviceCode(tx, twin) })
	d.PolledAt, d.Wait, d.KeyThumbprint = start.Add(time.Second).Truncate(time.Microsecond), 10*time.Second, "k2"
	f.told(t, nil, func(tx *store.Tx) error { return store.NoteDevicePoll(tx, d) })
	f.device(t, d)
	f.view(t, func(tx *store.Tx) error {
		got, err := store.FindWaitingDevice(tx, "u1")
		same(t, "by user code", d, got)
		return err
	})
	for what, fn := range map[string]func(tx *store.Tx) error{
		"by the device's own code": func(tx *store.Tx) error { return second(store.FindWaitingDevice(tx, "l1")) },
		"held":                     func(tx *store.Tx) error { return second(store.GetDeviceCode(tx, "u1")) },
		"polled":                   func(tx *store.Tx) error { return store.NoteDevicePoll(tx, deviceCode("9")) },
		"decided":                  func(tx *store.Tx) error { return store.DecideDeviceCode(tx, "l9", "aje1", "g") },
		"used before the answer":   func(tx *store.Tx) error { return store.UseDeviceCode(tx, "l1") },
	} {
		t.Run(what, func(t *testing.T) { f.refuse(t, iam.NotFound, noDeviceCode, fn) })
	}
	f.told(t, nil, func(tx *store.Tx) error { return store.DecideDeviceCode(tx, "l1", "aje1", "g1") })
	d.DecidedAt, d.UserID, d.GrantID = start.Truncate(time.Microsecond), "aje1", "g1"
	f.device(t, d)
	f.refuse(t, iam.NotFound, noDeviceCode, func(tx *store.Tx) error { return store.DecideDeviceCode(tx, "l1", "aje2", "") })
	f.refuse(t, iam.NotFound, noDeviceCode, func(tx *store.Tx) error { return second(store.FindWaitingDevice(tx, "u1")) })
	f.told(t, nil, func(tx *store.Tx) error { return store.UseDeviceCode(tx, "l1") })
	f.refuse(t, iam.NotFound, noDeviceCode, func(tx *store.Tx) error { return store.UseDeviceCode(tx, "l1") })

	no := deviceCode("3")
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertDeviceCode(tx, no), store.DecideDeviceCode(tx, "l3", "aje2", ""))
	})
	f.refuse(t, iam.NotFound, noDeviceCode, func(tx *store.Tx) error { return store.UseDeviceCode(tx, "l3") }) // the answer was no
	no.DecidedAt, no.UserID = start.Truncate(time.Microsecond), "aje2"
	f.device(t, no)
}

// However many answer or use a code at once, one succeeds.
func testDeviceCodeRaces(t *testing.T, f *fixture) {
	f.people(t)
	f.update(t, func(tx *store.Tx) error { return store.InsertDeviceCode(tx, deviceCode("1")) })
	once := func(what string, fn func(tx *store.Tx) error) {
		t.Helper()
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wg.Go(func() { results[i] = f.db.Update(t.Context(), fn) })
		}
		wg.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else if iam.KindOf(err) != iam.NotFound {
				t.Errorf("%s: %v", what, err)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d times", what, won)
		}
	}
	once("answered", func(tx *store.Tx) error {
		d, err := store.FindWaitingDevice(tx, "u1")
		if err != nil {
			return err
		}
		return store.DecideDeviceCode(tx, d.Lookup, "aje1", "g1")
	})
	once("used", func(tx *store.Tx) error { return store.UseDeviceCode(tx, "l1") })
}

func testDeviceCodeEnds(t *testing.T, f *fixture) {
	f.people(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertDeviceCode(tx, deviceCode("1")), store.InsertDeviceCode(tx, deviceCode("2")),
			store.DecideDeviceCode(tx, "l2", "aje1", ""))
	})
	f.update(t, func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "aje1") })
	f.refuse(t, iam.NotFound, noDeviceCode, func(tx *store.Tx) error { return second(store.GetDeviceCode(tx, "l2")) })
	f.advance(10 * time.Minute)
	f.refuse(t, iam.NotFound, noDeviceCode, func(tx *store.Tx) error { return second(store.FindWaitingDevice(tx, "u1")) })
	f.refuse(t, iam.NotFound, noDeviceCode, func(tx *store.Tx) error { return store.DecideDeviceCode(tx, "l1", "aje2", "g") })
	f.update(t, func(tx *store.Tx) error { return second(store.GetDeviceCode(tx, "l1")) })
	forget := func(before time.Time, want int64) {
		t.Helper()
		f.update(t, func(tx *store.Tx) error {
			n, err := store.DeleteDeviceCodesBefore(tx, before)
			if n != want {
				t.Errorf("%d were forgotten", n)
			}
			return err
		})
	}
	forget(start.Add(10*time.Minute).Truncate(time.Microsecond), 0)
	forget(start.Add(10*time.Minute), 0) // the same in whole microseconds
	forget(start.Add(10*time.Minute+time.Microsecond), 1)
}
