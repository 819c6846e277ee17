package registryapi

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
)

const (
	// sharedFor is how long a token of nobody is given to everybody who asks for
	// the same. What is allowed is decided anew for each of them.
	sharedFor = time.Minute
	// freshInAll is how many such tokens are made in that time, freshPerPlace for
	// one address. Names of repositories are whatever a client makes up, so that
	// without a bound strangers would buy signatures and audit lines.
	freshInAll    = 1200
	freshPerPlace = 120
	prefixOfPlace = 48 // bits of an IPv6 address that may be one subscriber's
)

// Nobody makes the tokens of who has not said who he is. They tell nobody from
// anybody, so one is as good as another. It is safe for use by many goroutines.
type Nobody struct {
	Now func() time.Time

	mu   sync.Mutex
	made map[string]*shared
}

// shared is one token, or one that is being made.
type shared struct {
	place string
	began time.Time
	done  chan struct{} // closed when the two below are set
	token *mint.IDToken
	err   error
}

// token is one that was made for the same request at most sharedFor ago, or what
// makes returns. Too many different ones are RESOURCE_EXHAUSTED.
func (n *Nobody) token(ctx context.Context, r mint.RegistryRequest, address string, makes func() (*mint.IDToken, error)) (*mint.IDToken, error) {
	key := strings.Join(append([]string{r.Issuer, r.Audience}, texts(r.Access)...), " ")
	s, fresh, err := n.enter(key, placeOf(address))
	if err != nil {
		return nil, err
	}
	if !fresh {
		select {
		case <-s.done:
			if s.err != nil { // it is the other's, who may just have hung up
				return nil, errNotMade
			}
			return s.token, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.err = errNotMade // of a panic
	defer func() {
		if s.err != nil {
			n.mu.Lock()
			if n.made[key] == s {
				delete(n.made, key)
			}
			n.mu.Unlock()
		}
		close(s.done)
	}()
	s.token, s.err = makes()
	return s.token, s.err
}

var errNotMade = iam.Errorf(iam.Unavailable, "The token could not be made; try again")

func (n *Nobody) enter(key, place string) (s *shared, fresh bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.Now()
	current := func(s *shared) bool { age := now.Sub(s.began); return age >= 0 && age < sharedFor }
	if s := n.made[key]; s != nil && current(s) {
		return s, false, nil
	}
	here := 0
	for k, s := range n.made {
		if !current(s) {
			delete(n.made, k)
			continue
		}
		if s.place == place {
			here++
		}
	}
	if here >= freshPerPlace || len(n.made) >= freshInAll {
		return nil, false, &iam.Error{Kind: iam.ResourceExhausted, Reason: "registry_nobody", RetryAfter: sharedFor,
			Message: "Too much is asked for at once without a password: sign in, or try again in a minute"}
	}
	if n.made == nil {
		n.made = map[string]*shared{}
	}
	s = &shared{place: place, began: now, done: make(chan struct{})}
	n.made[key] = s
	return s, true, nil
}

// placeOf is what one subscriber cannot leave.
func placeOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(prefixOfPlace)
	return p.String()
}
