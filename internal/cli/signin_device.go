package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
)

const (
	deviceInterval = 5 * time.Second // RFC 8628 section 3.2
	slowDown       = 5 * time.Second // section 3.5
)

// byDevice has the person let this machine in with a browser of another one
// (RFC 8628).
func (i *issuer) byDevice(ctx context.Context, in *profile.SignIn) (profile.Token, error) {
	if safeURL(i.Device) != nil {
		return profile.Token{}, errors.New("the server does not let machines without a browser in")
	}
	asked, err := i.post(ctx, in, i.Device, url.Values{"scope": {signInScope}})
	if err != nil {
		return profile.Token{}, fmt.Errorf("sign in: %w", err)
	}
	fmt.Fprintf(i.s.env.Stderr, "On any machine go to %s and enter the code %s\n", printable(asked.VerificationURI), printable(asked.UserCode))
	if asked.VerificationURIComplete != "" {
		fmt.Fprintf(i.s.env.Stderr, "or go to %s\n", printable(asked.VerificationURIComplete))
	}
	pause := deviceInterval
	if asked.Interval > 0 {
		pause = time.Duration(asked.Interval) * time.Second
	}
	for {
		select {
		case <-ctx.Done():
			return profile.Token{}, ctx.Err()
		case <-time.After(pause):
		}
		began := i.s.env.Now()
		answer, err := i.post(ctx, in, i.Token, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {asked.DeviceCode}})
		r, refused := errors.AsType[*refusal](err)
		switch {
		case err == nil:
			return i.take(in, answer, began)
		case refused && r.code == "slow_down":
			pause += slowDown
		case refused && r.code == "authorization_pending":
		default:
			return profile.Token{}, fmt.Errorf("sign in: %w", err)
		}
	}
}
