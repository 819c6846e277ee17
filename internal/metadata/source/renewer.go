package source

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/token"
)

// Keys makes ephemeral access keys; iamclient.Client.Ephemeral.
type Keys func(ctx context.Context, bearer iam.Secret, r iamclient.EphemeralRequest) (iamclient.AccessKey, error)

// Renewer is an Account whose credentials are renewed ahead of their end in the
// background, by a Policy. While IAM cannot be reached it serves the last ones
// until they end. When IAM refuses the credential itself it ceases to serve at
// once, but for one more question 2 s later, and asks again at least each minute.
type Renewer struct {
	origin Origin
	policy Policy
	tokens *keeper[iamclient.Token]
	keys   *keeper[iamclient.AccessKey]
	end    context.CancelFunc
	ended  sync.WaitGroup

	hasKeys bool
	version atomic.Pointer[string] // of the origin, of which the last token was to be made
	mu      sync.Mutex
	basis   string      // what the tokens that came last were made of, and whose they are
	broken  atomic.Bool // so that it is told once
}

var errNoKeys = fmt.Errorf("%w of which access keys are made", ErrNoAccount)

// NewRenewer starts to serve an origin's account and makes its first token at
// once; Close ends it. Keys may be nil: then there are none, and AccessKey fails
// with ErrNoAccount. It fails as Policy.Check.
func NewRenewer(origin Origin, keys Keys, policy Policy) (*Renewer, error) {
	return newRenewer(origin, keys, policy, uptime)
}

func newRenewer(origin Origin, keys Keys, policy Policy, mono func() time.Duration) (*Renewer, error) {
	if err := policy.Check(); err != nil {
		return nil, err
	}
	p := policy.withDefaults()
	ctx, end := context.WithCancel(context.Background())
	r := &Renewer{origin: origin, policy: p, end: end, hasKeys: keys != nil}
	c := clock{wall: p.Now, mono: mono}
	log := p.Log
	r.tokens = &keeper[iamclient.Token]{
		name: "token", make: r.makeToken, share: p.MinimumLife, recheck: p.Recheck, clock: c, log: log, ctx: ctx, wake: make(chan struct{}, 1),
		times: func(t *iamclient.Token) (*time.Time, *time.Time) { return &t.ReceivedAt, &t.ExpiresAt },
	}
	r.keys = &keeper[iamclient.AccessKey]{
		name: "access key", share: p.MinimumLife, recheck: p.Recheck, clock: c, log: log, ctx: ctx, wake: make(chan struct{}, 1),
		times: func(a *iamclient.AccessKey) (*time.Time, *time.Time) { return &a.ReceivedAt, &a.ExpiresAt },
		make: func(ctx context.Context) (iamclient.AccessKey, error) {
			return r.makeKey(ctx, keys)
		},
	}
	r.tokens.refused = r.keys.drop // of an account that is gone, keys are not served either
	r.tokens.renewed = r.follow
	var changed func() bool
	if _, ok := origin.(versioned); ok {
		changed = r.changed
	}
	r.ended.Go(func() { r.tokens.run(false, changed) })
	if keys != nil {
		r.ended.Go(func() { r.keys.run(true, nil) })
	}
	return r, nil
}

// changed tells whether a token made now would be made of something else than
// the last one.
func (r *Renewer) changed() bool {
	before, now := r.version.Load(), r.origin.(versioned).Version()
	return before != nil && now != "" && now != *before
}

// follow drops the access key when tokens are made of something else than
// before, or are another account's: what was made by the former may have ended
// with it.
func (r *Renewer) follow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	basis := *r.version.Load() + " " + r.subject()
	if r.basis != "" && r.basis != basis {
		r.keys.drop()
	}
	r.basis = basis
}

// fragile is an Origin that goes on with what it had when what it is made of is
// broken.
type fragile interface{ Broken() error }

func (r *Renewer) makeToken(ctx context.Context) (iamclient.Token, error) {
	version := ""
	if o, ok := r.origin.(versioned); ok {
		version = o.Version() // before anything is read: a change in between is one more change
	}
	r.version.Store(&version)
	got, err := r.origin.Make(ctx)
	if o, ok := r.origin.(fragile); ok {
		broken := o.Broken()
		if (broken != nil) != r.broken.Swap(broken != nil) {
			if broken != nil {
				r.policy.Log.Error("the account's credential is broken: what was read before is used on", "error", broken)
			} else {
				r.policy.Log.Info("the account's credential is good again")
			}
		}
	}
	return got, err
}

func (r *Renewer) makeKey(ctx context.Context, keys Keys) (iamclient.AccessKey, error) {
	bearer, err := r.Token(ctx)
	if err != nil {
		return iamclient.AccessKey{}, withoutToken(err)
	}
	request := iamclient.EphemeralRequest{SessionName: r.policy.KeyName, Life: r.policy.KeyLife}
	key, err := keys(ctx, bearer.Text, request)
	if err == nil || !errors.Is(err, iam.Unauthenticated) {
		return key, err
	}
	r.tokens.again(ctx) // somebody has ended that one token: it says nothing of the account
	if bearer, err = r.Token(ctx); err != nil {
		return iamclient.AccessKey{}, withoutToken(err)
	}
	return keys(ctx, bearer.Text, request)
}

// withoutToken is no refusal of keys, whatever became of the token.
func withoutToken(err error) error {
	return iam.Errorf(iam.Unavailable, "there is no token to make an access key with: %s", iam.KindOf(err).Error())
}

// Close ends the renewals, without waiting for what IAM has been asked for.
func (r *Renewer) Close() {
	r.end()
	r.ended.Wait()
}

// ServiceAccountID is the account's id, "" while it is not known.
func (r *Renewer) ServiceAccountID() string {
	if id := r.origin.ServiceAccountID(); id != "" {
		return id
	}
	return r.subject()
}

// subject is whose the token is that is held, "" when it does not tell.
func (r *Renewer) subject() string {
	r.tokens.mu.Lock()
	defer r.tokens.mu.Unlock()
	if r.tokens.have == nil {
		return ""
	}
	claims, err := token.ParseUnverified(r.tokens.have.value.Text.Reveal())
	if err != nil {
		return ""
	}
	return claims.SubjectID
}

// Token is an IAM token, as Account says.
func (r *Renewer) Token(ctx context.Context) (iamclient.Token, error) { return r.tokens.get(ctx) }

// AccessKey is an ephemeral access key, as Account says. It is made when it is
// first asked for, and renewed while it is asked for at least once an hour.
func (r *Renewer) AccessKey(ctx context.Context) (iamclient.AccessKey, error) {
	if !r.hasKeys {
		return iamclient.AccessKey{}, errNoKeys
	}
	if _, err := r.tokens.get(ctx); err != nil {
		return iamclient.AccessKey{}, err // a key of an account that is gone is not served
	}
	return r.keys.get(ctx)
}
