package signin

import (
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// placesOfPerson one who is signed in may hold at once.
const placesOfPerson = 2

// room are the places in a queue, and who holds them.
type room struct {
	all       int
	strangers int // that may hold a place at once; the others are for people who are signed in
	network   int // that one network may hold

	mu      sync.Mutex
	taken   int
	strange int            // of those that are taken
	held    map[string]int // by network or person; no zeros
}

func newRoom(all int) room {
	return room{all: all, strangers: all - all/4, network: max(1, all/4), held: map[string]int{}}
}

// Place is a caller's place in the queue.
type Place struct {
	h        *Hasher
	holder   string // "": nobody in particular
	stranger bool
	left     bool
}

// Enter takes a place in the queue for the operator, who waits for nobody's
// share of it, or fails with UNAVAILABLE and the time to come back when it is
// full. The caller leaves it, whatever happens.
func (h *Hasher) Enter() (*Place, error) { return h.enter(&Place{h: h}, 0) }

// EnterFrom is Enter for somebody at an address who has shown nothing yet. One
// network, see networkOf, holds at most a quarter of the places, and all such
// callers leave a quarter to people who are signed in.
func (h *Hasher) EnterFrom(address string) (*Place, error) {
	return h.enter(&Place{h: h, holder: "network/" + networkOf(address), stranger: true}, h.room.network)
}

// EnterAs is Enter for a person who is signed in, or holds a link that was made
// for him: two places at a time.
func (h *Hasher) EnterAs(userID string) (*Place, error) {
	return h.enter(&Place{h: h, holder: "person/" + userID}, placesOfPerson)
}

func (h *Hasher) enter(p *Place, most int) (*Place, error) {
	r := &h.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken >= r.all || p.stranger && r.strange >= r.strangers || p.holder != "" && r.held[p.holder] >= most {
		return nil, &iam.Error{Kind: iam.Unavailable, Reason: "sign_in_busy", RetryAfter: 5 * time.Second,
			Message: "Too many people are signing in just now; try again in a few seconds"}
	}
	r.count(p, 1)
	return p, nil
}

// Leave gives the place back. It may be called twice.
func (p *Place) Leave() {
	r := &p.h.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if !p.left {
		p.left = true
		r.count(p, -1)
	}
}

func (r *room) count(p *Place, by int) {
	r.taken += by
	if p.stranger {
		r.strange += by
	}
	if p.holder == "" {
		return
	}
	if r.held[p.holder] += by; r.held[p.holder] == 0 {
		delete(r.held, p.holder)
	}
}
