package mail

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

const (
	// mostWaiting bounds the queue, and mostAsked what strangers may fill of it.
	mostWaiting = 10_000
	mostAsked   = mostWaiting * 3 / 4
	batch       = 20
	// A letter that was not sent is tried again after firstDelay, doubled each
	// time. firstDelay is longer than a try may take, so that of many nodes none
	// begins while another is at it.
	firstDelay   = time.Minute
	longestDelay = time.Hour
)

// Ask is a wish that leads to a letter or to none: what a person has typed. Who
// that is, and so whether anybody is written, is found out by the job that sends,
// so that whoever has asked cannot tell it by the time that the answer takes.
type Ask struct {
	Kind     Kind   `json:"kind"` // Reset or SignUp
	Who      string `json:"who"`  // a login or an e-mail address, as it was typed
	Language string `json:"language"`
	Address  string `json:"address"` // that the person sat at
}

// Envelope is what waits in the queue: one of both.
type Envelope struct {
	Letter *Letter `json:"letter,omitempty"`
	Ask    *Ask    `json:"ask,omitempty"`
}

// Box keeps secrets at rest; *seal.Box is one.
type Box interface {
	Seal(at seal.Place, secret []byte) ([]byte, error)
	Open(at seal.Place, sealed []byte) ([]byte, error)
}

// Outbox is the queue, on this node. Safe for use by many goroutines.
type Outbox struct {
	DB   *store.DB
	Box  Box
	Send func(ctx context.Context, l *Letter) error
	// Answer turns a wish into letters, or into nothing, in one transaction that
	// takes the message with this id out of the queue; it does nothing when the
	// message is gone.
	Answer func(ctx context.Context, id string, a *Ask) error
	// Failed hears of what could not be done: an error without addresses and text.
	Failed func(err error)

	tries *prometheus.CounterVec
}

// Collectors are the metrics of the queue; they tell nothing of letters but how
// many there were.
func (o *Outbox) Collectors() []prometheus.Collector {
	o.tries = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "propusk_mail_total",
		Help: "Tries to send a message, by what came of them: sent, failed (to be tried again), given_up."}, []string{"result"})
	for _, result := range []string{sent, failedOnce, givenUp} {
		o.tries.WithLabelValues(result)
	}
	return []prometheus.Collector{o.tries}
}

const (
	sent       = "sent"
	failedOnce = "failed"
	givenUp    = "given_up"
)

func (o *Outbox) count(result string) {
	if o.tries != nil {
		o.tries.WithLabelValues(result).Inc()
	}
}

// Pack seals what is to wait. It is put into the queue by Post, in the
// transaction that causes it.
func (o *Outbox) Pack(e Envelope) (*iam.OutgoingMail, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	m := &iam.OutgoingMail{ID: resource.NewID(resource.PrefixIAM)}
	if m.Sealed, err = o.Box.Seal(store.MailPlace(m.ID), text); err != nil {
		return nil, iam.Wrap(err, iam.Unavailable, "The message cannot be kept just now")
	}
	return m, nil
}

// Post puts a packed message into the queue, for as long as it is worth anything.
// UNAVAILABLE when too many wait.
func Post(tx *store.Tx, m *iam.OutgoingMail, worth time.Duration) error {
	return post(tx, m, worth, mostWaiting)
}

// PostAsk is Post for what somebody wants who has shown nothing: the last places
// are not for that.
func PostAsk(tx *store.Tx, m *iam.OutgoingMail, worth time.Duration) error {
	return post(tx, m, worth, mostAsked)
}

func post(tx *store.Tx, m *iam.OutgoingMail, worth time.Duration, most int) error {
	n, err := store.CountMail(tx, most)
	if err != nil {
		return err
	}
	if n >= most {
		return &iam.Error{Kind: iam.Unavailable, Reason: "mail_busy", RetryAfter: time.Minute, Message: "Too many messages wait to be sent; try again later"}
	}
	m.CreatedAt, m.NextAt, m.ExpiresAt = tx.Now(), tx.Now(), tx.Now().Add(worth)
	return store.InsertMail(tx, m)
}

// RunDue does what is due, until nothing is. An error is the store's; what goes
// wrong with a message is told to Failed.
func (o *Outbox) RunDue(ctx context.Context) error {
	for {
		var due []*iam.OutgoingMail
		err := o.DB.View(ctx, func(tx *store.Tx) (err error) {
			due, err = store.ListDueMail(tx, batch)
			return err
		})
		if err != nil || len(due) == 0 {
			return err
		}
		for _, m := range due {
			if err := o.do(ctx, m); err != nil {
				return err
			}
		}
	}
}

// do claims one message, and then does with it what is to be done.
func (o *Outbox) do(ctx context.Context, m *iam.OutgoingMail) error {
	ours, expired := false, false
	err := o.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if expired = !tx.Now().Before(m.ExpiresAt); expired {
			ours, err = store.DeleteMail(tx, m.ID)
			return err
		}
		ours, err = store.ClaimMail(tx, m, tx.Now().Add(delayAfter(m.Tries)))
		return err
	})
	if err != nil || !ours {
		return err
	}
	if expired {
		o.count(givenUp)
		o.Failed(errors.New("a message was not sent in time and is given up"))
		return nil
	}
	err = o.deliver(ctx, m)
	if ctx.Err() != nil {
		return ctx.Err() // the server stops; the message waits
	}
	refusal, _ := errors.AsType[*SendError](err)
	switch {
	case err == nil:
		return nil
	case refusal == nil:
		o.count(failedOnce)
		o.Failed(err)
	case refusal.Permanent:
		o.count(givenUp)
		o.Failed(errors.New("a message is given up: " + refusal.Brief()))
		return o.forget(ctx, m.ID)
	default:
		o.count(failedOnce)
		o.Failed(errors.New("a message is not sent and will be tried again: " + refusal.Brief()))
	}
	return nil
}

func (o *Outbox) deliver(ctx context.Context, m *iam.OutgoingMail) error {
	text, err := o.Box.Open(store.MailPlace(m.ID), m.Sealed)
	if err != nil {
		return iam.Wrap(err, iam.Unavailable, "a message cannot be opened")
	}
	var e Envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return errors.New("a message cannot be read") // the decoder's words would repeat it
	}
	switch {
	case e.Ask != nil:
		return o.Answer(ctx, m.ID, e.Ask)
	case e.Letter != nil:
		if err := o.Send(ctx, e.Letter); err != nil {
			return err
		}
		o.count(sent)
	}
	return o.forget(ctx, m.ID)
}

func (o *Outbox) forget(ctx context.Context, id string) error {
	return o.DB.Update(ctx, func(tx *store.Tx) error {
		_, err := store.DeleteMail(tx, id)
		return err
	})
}

// delayAfter is how long after a try the next one comes, when so many have failed.
func delayAfter(tries int) time.Duration {
	if tries >= 6 {
		return longestDelay
	}
	return min(longestDelay, firstDelay<<tries)
}
