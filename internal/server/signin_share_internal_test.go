package server

import (
	"testing"
	"time"
)

// Whatever the machine: the passwords that strangers type take memory for a few
// hashes, and a full queue is through before the call at its end is given up, even
// where a hash takes twice the time that it was measured to take.
func TestHashingFitsTheMachine(t *testing.T) {
	const (
		slow    = 50 * time.Millisecond // of one hash
		timeout = 30 * time.Second      // of a call, see gate.Config
		most    = 100 << 20             // bytes
	)
	for _, cores := range []int{1, 2, 4, 8, 64, 256} {
		c := hashing(cores)
		if c.AtOnce < 1 || cores > 1 && c.AtOnce >= cores {
			t.Errorf("%d cores: %d compute", cores, c.AtOnce)
		}
		if memory := c.AtOnce * int(c.Cost.MemoryKiB) << 10; memory > most {
			t.Errorf("%d cores: hashing takes %d MiB", cores, memory>>20)
		}
		rate := min(c.Share, float64(c.AtOnce)) // seconds of computing a second
		if wait := time.Duration(float64(c.AtOnce+c.Waiting) * float64(slow) / rate); wait > timeout {
			t.Errorf("%d cores: the last of %d waits %s", cores, c.AtOnce+c.Waiting, wait)
		}
	}
}
