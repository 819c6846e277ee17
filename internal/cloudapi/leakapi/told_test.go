package leakapi

import (
	"fmt"
	"testing"
	"time"
)

func TestToldOnceADay(t *testing.T) {
	var told told
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	id := findingID("host", "key", "place")
	if told.lately(id, now) {
		t.Error("told before it was")
	}
	told.note(id, now)
	for after, want := range map[time.Duration]bool{0: true, toldOnceIn - 1: true, toldOnceIn: false} {
		if got := told.lately(id, now.Add(after)); got != want {
			t.Errorf("%v later: %v", after, got)
		}
	}
	for _, other := range [][16]byte{findingID("host", "key", "place2"), findingID("hostkey", "", "place"), findingID("host", "keyplace")} {
		if told.lately(other, now) {
			t.Error("another finding is taken for it")
		}
	}
	for i := range 3 * maxTold {
		told.note(findingID(fmt.Sprint(i)), now)
		if len(told.at) > maxTold {
			t.Fatalf("%d are remembered", len(told.at))
		}
	}
	if !told.lately(findingID(fmt.Sprint(3*maxTold-1)), now) {
		t.Error("the last is forgotten")
	}
}
