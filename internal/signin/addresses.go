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
	freeFromAddress = 50
	// freeFromSite is that in a network of IPv6 that may be one subscriber's, or
	// some hundred's.
	freeFromSite       = 200
	longestAtAddress   = 5 * time.Minute
	addressKept        = time.Hour
	mostAddresses      = 16384
	prefixOfSubscriber = 64 // bits of an IPv6 address that one subscriber has at least
	prefixOfSite       = 48 // and of what one may have at most
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
	free         int
	count        int
	last         time.Time
	blockedUntil time.Time
}

// NewAddresses have seen nobody.
func NewAddresses(now Clock) *Addresses {
	return &Addresses{now: now, seen: map[string]*list.Element{}, old: list.New()}
}

// Enter counts an attempt before it is judged, or fails with RESOURCE_EXHAUSTED
// while it is too early at the address or in the network around it.
func (a *Addresses) Enter(address string) error {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	// The network first: while it waits, none of its many addresses pushes
	// another's out of the memory.
	var tried []*atAddress
	for _, k := range keysOf(address) {
		at := a.at(k.key, now)
		at.free = k.free
		if wait := at.blockedUntil.Sub(now); wait > 0 {
			return tooEarly(wait)
		}
		tried = append(tried, at)
	}
	for _, at := range tried {
		if now.Sub(at.last) > addressKept {
			at.count = 0
		}
		at.count++
		at.last, at.blockedUntil = now, time.Time{}
		if d := delayAfter(at.count, at.free, longestAtAddress); d > 0 {
			at.blockedUntil = now.Add(d)
		}
	}
	return nil
}

// Forgive takes back what Enter has counted, and nothing of what failed: who
// has a password of his own buys no attempts at others' with it.
func (a *Addresses) Forgive(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range keysOf(address) {
		if e := a.seen[k.key]; e != nil {
			if at := e.Value.(*atAddress); at.count > 0 {
				at.count--
				if at.count <= at.free {
					at.blockedUntil = time.Time{}
				}
			}
		}
	}
}

// counted is one thing that an address is counted as.
type counted struct {
	key  string
	free int
}

func keysOf(address string) []counted {
	network, key := networkOf(address), addressKey(address)
	if network == key {
		return []counted{{key, freeFromAddress}}
	}
	return []counted{{network, freeFromSite}, {key, freeFromAddress}}
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
func addressKey(address string) string { return within(address, prefixOfSubscriber) }

// networkOf is what may be one subscriber with many such networks: the address,
// or the largest network of IPv6 that is given to one site.
func networkOf(address string) string { return within(address, prefixOfSite) }

func within(address string, bits int) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(bits)
	return p.String()
}
