package cli

import (
	"context"
	"errors"
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
	direction := "behind"
	if skew < 0 {
		direction = "ahead"
	}
	s.tell("your clock differs from the server's by %v: it is %s. Set it, or what you sign will be refused", skew.Abs().Round(time.Second), direction)
}

// aboutClock tells whether the server refused a JWT for its times.
func aboutClock(err error) bool {
	return ahead(err) || behind(err)
}

func ahead(err error) bool { return refusedFor(err, "not valid yet") }
func behind(err error) bool {
	return refusedFor(err, "expired")
}

func refusedFor(err error, text string) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Code == iam.Unauthenticated && strings.Contains(f.Message, text)
}

const (
	clockStep  = 55 * time.Minute // within the life of a JWT, so that no clock is stepped over
	clockSteps = 27               // a day: a wrong time zone, and more
)

// exchangeShifted looks for the server's time by signing for other times, so
// that a machine with a wrong clock works and is told by how much it is wrong.
func (s *session) exchangeShifted(ctx context.Context, key *keyfile.File, refused error) (profile.Token, error) {
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
