package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
)

const (
	deviceInterval  = 5 * time.Second // RFC 8628 section 3.2
	slowDown        = 5 * time.Second // section 3.5
	longestInterval = time.Minute     // of what a server may ask for
)

var errNobody = errors.New("nobody has signed in for too long")

// byDevice has the person let this machine in with a browser of another one
// (RFC 8628).
func (i *issuer) byDevice(ctx context.Context, in *profile.SignIn, limit time.Duration) (profile.Token, error) {
	if i.Device == "" {
		return profile.Token{}, errors.New("the server does not let machines without a browser in")
	}
	asked, err := i.post(ctx, in, i.Device, url.Values{"scope": {signInScope}})
	if err != nil {
		return profile.Token{}, fmt.Errorf("sign in: %w", err)
	}
	if asked.DeviceCode == "" || asked.UserCode == "" || safeURL(asked.VerificationURI) != nil {
		return profile.Token{}, errors.New("sign in: the server names no page to go to, or no code")
	}
	if life := seconds(asked.ExpiresIn, longestLife); life > 0 {
		limit = min(limit, life)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNobody)
	defer cancel()
	fmt.Fprintf(i.s.env.Stderr, "On any machine go to %s and enter the code %s\n", asked.VerificationURI, clipped(asked.UserCode))
	if safeURL(asked.VerificationURIComplete) == nil {
		fmt.Fprintf(i.s.env.Stderr, "or go to %s\n", asked.VerificationURIComplete)
	}
	pause := seconds(asked.Interval, longestInterval)
	if pause == 0 {
		pause = deviceInterval
	}
	return i.poll(ctx, in, asked.DeviceCode, pause)
}

// poll asks whether the person has decided, until he has.
func (i *issuer) poll(ctx context.Context, in *profile.SignIn, code string, pause time.Duration) (profile.Token, error) {
	for {
		if err := i.sleep(ctx, pause); err != nil {
			return profile.Token{}, fmt.Errorf("sign in: %w", err)
		}
		began := i.s.env.Now()
		answer, err := i.post(ctx, in, i.Token, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {code}})
		if err == nil {
			return i.take(in, answer, began)
		}
		r, refused := errors.AsType[*refusal](err)
		late, isNet := errors.AsType[net.Error](err)
		switch {
		case refused && r.code == "slow_down", isNet && late.Timeout() && ctx.Err() == nil: // section 3.5 names both
			pause += slowDown
		case refused && r.code == "authorization_pending":
		default:
			return profile.Token{}, fmt.Errorf("sign in: %w", err)
		}
	}
}

// seconds is a number of a server's answer as a duration, within bounds.
func seconds(n int64, most time.Duration) time.Duration {
	return time.Duration(min(max(n, 0), int64(most/time.Second))) * time.Second
}

// sleep waits, unless there is no more to wait for.
func sleep(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
