package signin

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

const (
	// freeFromAddress may fail, or be under way, at an address before there are
	// delays: many people may sit behind one.
	freeFromAddress    = 50
	longestAtAddress   = 5 * time.Minute
	addressKept        = time.Hour
	mostAddresses      = 16384
	prefixOfSubscriber = 64 // bits of an IPv6 address that one subscriber has at least
)

// Addresses slow down those who fail often at one address, on this node. They
// are bounded: the address that was seen longest ago is forgotten first. Safe
// for use by many goroutines.
type Addresses struct {
	now Clock

	mu   sync.Mutex
	seen map[string]*list.Element
	old  *list.List // of *atAddress, the one seen last in front
}

type atAddress struct {
	key          string
	count        int
	last         time.Time
	blockedUntil time.Time
}

// NewAddresses have seen nobody.
func NewAddresses(now Clock) *Addresses {
	return &Addresses{now: now, seen: map[string]*list.Element{}, old: list.New()}
}

// Enter counts an attempt before it is judged, or fails with RESOURCE_EXHAUSTED
// while it is too early.
func (a *Addresses) Enter(address string) error {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.at(addressKey(address), now)
	if wait := at.blockedUntil.Sub(now); wait > 0 {
		return tooEarly(wait)
	}
	if now.Sub(at.last) > addressKept {
		at.count = 0
	}
	at.count++
	at.last, at.blockedUntil = now, time.Time{}
	if d := delayAfter(at.count, freeFromAddress, longestAtAddress); d > 0 {
		at.blockedUntil = now.Add(d)
	}
	return nil
}

// Forgive takes back what Enter has counted, and nothing of what failed: who
// has a password of his own buys no attempts at others' with it.
func (a *Addresses) Forgive(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.seen[addressKey(address)]; e != nil {
		if at := e.Value.(*atAddress); at.count > 0 {
			at.count--
			if at.count <= freeFromAddress {
				at.blockedUntil = time.Time{}
			}
		}
	}
}

func (a *Addresses) at(key string, now time.Time) *atAddress {
	if e := a.seen[key]; e != nil {
		a.old.MoveToFront(e)
		return e.Value.(*atAddress)
	}
	if a.old.Len() >= mostAddresses {
		last := a.old.Back()
		delete(a.seen, a.old.Remove(last).(*atAddress).key)
	}
	at := &atAddress{key: key, last: now}
	a.seen[key] = a.old.PushFront(at)
	return at
}

// addressKey is what one subscriber cannot leave: the address, or the network
// that everybody has at least with IPv6. What is no address counts as one.
func addressKey(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(prefixOfSubscriber)
	return p.String()
}
