package iamclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/keyfile"
)

// jwtLife is as long as IAM allows; a JWT is used once, at once.
const jwtLife = time.Hour

// Exchange signs a JWT by an authorized key and exchanges it for an IAM token of
// its service account. A clock of this machine that is up to a day wrong does not
// hinder it. It fails with a Refusal of IAM's kind, or with INVALID_ARGUMENT for
// a key that cannot sign.
func (c *Client) Exchange(ctx context.Context, key *keyfile.File) (Token, error) {
	got, err := c.exchangeAt(ctx, key, c.serverTime())
	if err == nil || !aboutTimes(err) {
		return got, err
	}
	return c.exchangeShifted(ctx, key, err)
}

func (c *Client) exchangeAt(ctx context.Context, key *keyfile.File, at time.Time) (Token, error) {
	audience := c.audience()
	got, err := c.exchangeFor(ctx, key, at, audience)
	if own := "https://" + c.endpoint + tokensPath; audience != own && refusedJWT(err, "another audience") {
		if got, err = c.exchangeFor(ctx, key, at, own); err == nil { // its operator does not take the public cloud's
			c.mu.Lock()
			c.own = own
			c.mu.Unlock()
		}
	}
	return got, err
}

func (c *Client) exchangeFor(ctx context.Context, key *keyfile.File, at time.Time, audience string) (Token, error) {
	jwt, err := keyfile.SignJWT(key, audience, at, jwtLife)
	if err != nil {
		return Token{}, err
	}
	return c.create(ctx, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: jwt.Reveal()}}, jwt)
}

// tokensPath ends the audience of a server [API fact: JWT audience].
const tokensPath = "/iam/v1/tokens"

// audience is the public cloud's, which servers take unless they are told
// otherwise, or the one that this server was found to want.
func (c *Client) audience() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own != "" {
		return c.own
	}
	return keyfile.PublicAudience
}

const (
	clockStep  = 55 * time.Minute // within the life of a JWT, so that no clock is stepped over
	clockSteps = 27               // a day: a wrong time zone, and more
)

// unset is before any clock that somebody has set: a machine without one that
// outlasts its power begins at 1970, or where it was switched off.
var unset = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// exchangeShifted signs for IAM's time, which a refusal may tell. A server that
// does not tell it is tried with other times, from this machine's own on: what
// was learned before may be what is wrong.
func (c *Client) exchangeShifted(ctx context.Context, key *keyfile.File, refused error) (Token, error) {
	now := c.now()
	if at, ok := saidTime(refused); ok && believable(at, now) {
		return c.exchangeAt(ctx, key, at)
	} else if ok {
		return Token{}, fmt.Errorf("%w; this machine's clock says %s, which is too far from it", refused, now.UTC().Format(time.RFC3339))
	}
	got, err := c.exchangeAt(ctx, key, now)
	if err == nil || !aboutTimes(err) {
		return got, err
	}
	step, stillOff := clockStep, behind
	if ahead(err) {
		step, stillOff = -clockStep, ahead
	}
	for at := now.Add(step); ctx.Err() == nil && at.Sub(now).Abs() <= clockSteps*clockStep; at = at.Add(step) {
		got, err := c.exchangeAt(ctx, key, at)
		if err == nil || !stillOff(err) {
			return got, err
		}
	}
	return Token{}, refused
}

// saidTime is IAM's time, where its refusal of a JWT tells it.
func saidTime(refused error) (time.Time, bool) {
	r, ok := errors.AsType[*Refusal](refused)
	if !ok {
		return time.Time{}, false
	}
	_, text, _ := strings.Cut(r.Failure.Message, "the time here is ")
	text, _, _ = strings.Cut(text, " ")
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil
}

// believable tells whether a JWT is signed for a time that somebody else tells.
// One for next year would be good then, in whosever hands it is: so it is within
// a day of what this machine knows, if it knows anything.
func believable(at, now time.Time) bool {
	return at.Sub(now.Round(0)).Abs() <= clockSteps*clockStep || now.Before(unset) && at.After(now)
}

// aboutTimes tells whether IAM refused a JWT for its times alone.
func aboutTimes(err error) bool { return ahead(err) || behind(err) }

func ahead(err error) bool  { return refusedJWT(err, "not valid yet") }
func behind(err error) bool { return refusedJWT(err, "expired") }

// refusedJWT reads the message, for there is no other sign. A service account
// that has expired, or a subject token, is not the JWT.
func refusedJWT(err error, why string) bool {
	r, ok := errors.AsType[*Refusal](err)
	if !ok || !strings.Contains(r.Failure.Message, why) {
		return false
	}
	return strings.Contains(r.Failure.Message, "JWT") || strings.HasPrefix(r.Failure.Message, "subject_token:")
}

// leastSkew is the difference between two clocks that is worth correcting: from
// there on servers refuse what is signed.
const leastSkew = 30 * time.Second

// learn remembers how far IAM's clock, which said issued when now was here, is
// ahead of this machine's.
func (c *Client) learn(issued, now time.Time) {
	skew := issued.Sub(now.Round(0)) // by the wall clock, which is the one that is wrong
	if skew.Abs() < leastSkew || !believable(issued, now) {
		skew = 0 // the answer's way and parts of a second; or what no JWT is to be signed for
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew = skew
}

// Skew is how far IAM's clock is ahead of this machine's, as its last answer
// told; 0 when they agree to half a minute, or when nothing is known.
func (c *Client) Skew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}

func (c *Client) serverTime() time.Time { return c.now().Add(c.Skew()) }

// life is how long something lives that IAM says ends at expires.
func (c *Client) life(expires, now time.Time) time.Duration {
	left := expires.Sub(now.Round(0).Add(c.Skew()))
	if left <= 0 || left > longestLife+time.Hour {
		return unknownLife // by a clock that is wrong by who knows how much
	}
	return left
}
