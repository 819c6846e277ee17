package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
)

// leastSkew is the difference between two clocks that is worth telling: from
// there on servers refuse what is signed.
const leastSkew = time.Minute

// compareClocks tells when the server's clock, which said issued between began
// and now, differs from this machine's.
func (s *session) compareClocks(issued, began, now time.Time) {
	skew := issued.Sub(began)
	if skew > 0 {
		skew = max(0, issued.Sub(now))
	}
	if s.skewTold || skew.Abs() < leastSkew {
		return
	}
	s.skewTold = true
	s.tell("%s. Set it, or what you sign will be refused", differs(skew))
}

// differs tells of a server's clock that is so much ahead of this machine's.
func differs(skew time.Duration) string {
	direction := "behind"
	if skew < 0 {
		direction = "ahead"
	}
	return fmt.Sprintf("your clock differs from the server's by %v (yours is %s)", skew.Abs().Round(time.Second), direction)
}

// aboutClock tells whether the server refused a JWT for its times.
func aboutClock(err error) bool {
	return ahead(err) || behind(err)
}

func ahead(err error) bool  { return refusedFor(err, "not valid yet") }
func behind(err error) bool { return refusedFor(err, "expired") }

// refusedFor reads the message, for there is no other sign. An account that has
// expired is not the JWT.
func refusedFor(err error, text string) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Code == iam.Unauthenticated && strings.Contains(f.Message, "JWT") && strings.Contains(f.Message, text)
}

// saidTime is the server's time, where its refusal of a JWT tells it.
func saidTime(refused error) (time.Time, bool) {
	f, ok := errors.AsType[*Failure](refused)
	if !ok {
		return time.Time{}, false
	}
	_, text, ok := strings.Cut(f.Message, "the time here is ")
	if !ok {
		return time.Time{}, false
	}
	text, _, _ = strings.Cut(text, " ")
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil
}

const (
	clockStep  = 55 * time.Minute // within the life of a JWT, so that no clock is stepped over
	clockSteps = 27               // a day: a wrong time zone, and more

	farthestClock = 48 * time.Hour
)

// exchangeShifted signs for the server's time, so that a machine with a wrong
// clock works and is told by how much it is wrong. A server that does not tell
// its time is tried with other times.
func (s *session) exchangeShifted(ctx context.Context, key *keyfile.File, refused error) (profile.Token, error) {
	began := s.env.Now()
	if at, ok := saidTime(refused); ok && !believable(at, began) {
		return profile.Token{}, fmt.Errorf("%w\n%s", refused, differs(at.Sub(began)))
	} else if ok {
		got, err := s.exchangeAt(ctx, key, at)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, differs(at.Sub(began)))
		}
		return got, err
	}
	got, err := s.searchTime(ctx, key, refused)
	if err != nil && aboutClock(err) {
		err = fmt.Errorf("%w\nyour clock says %s and differs from the server's", err, began.UTC().Format(time.RFC3339))
	}
	return got, err
}

// believable tells whether a JWT is signed for a time that the server tells. One
// for next year would be good then, in whosever hands it is: so it is within
// two days of this machine's clock.
func believable(at, now time.Time) bool {
	return at.Sub(now).Abs() <= farthestClock
}

func (s *session) searchTime(ctx context.Context, key *keyfile.File, refused error) (profile.Token, error) {
	step := clockStep
	stillOff := behind
	if ahead(refused) {
		step, stillOff = -clockStep, ahead
	}
	at := s.env.Now()
	for range clockSteps {
		at = at.Add(step)
		got, err := s.exchangeAt(ctx, key, at)
		if err == nil {
			return got, nil
		}
		if !stillOff(err) {
			return got, err
		}
	}
	return profile.Token{}, refused
}

// learnClock has proofs be for the server's time, as it tells that in an answer
// (RFC 9110 section 6.6.1), and tells when that is not this machine's.
func (i *issuer) learnClock(h http.Header, began time.Time) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" { // an old answer, which somebody has kept
		return
	}
	now := i.s.env.Now()
	i.s.compareClocks(at, began, now)
	if i.s.skewTold && believable(at, now) {
		i.ahead = at.Sub(now)
	}
}
