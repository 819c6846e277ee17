package signinapi

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mail"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
)

// Asked turns wishes of people who cannot sign in into letters to them, when
// nobody waits for an answer any more.
type Asked struct {
	DB        *store.DB
	Passwords *signin.Passwords
	Outbox    *mail.Outbox
	SignUps   SignUps
	// Site is the address of the pages, without a slash at its end.
	Site func() (string, error)
}

// InvitationKind is that of invitations in audit lines; they are no resources.
const InvitationKind = "propusk.invitation"

// Link is the address of a page of a site, with a secret in it.
func Link(site, path, name string, secret iam.Secret) string {
	return site + path + "?" + url.Values{name: {secret.Reveal()}}.Encode()
}

// Answer is the Answer of a mail.Outbox.
func (a *Asked) Answer(ctx context.Context, id string, ask *mail.Ask) error {
	site, err := a.Site()
	if err != nil {
		return err
	}
	switch ask.Kind {
	case mail.Reset:
		return a.reset(ctx, id, ask, site)
	case mail.SignUp:
		return a.signUp(ctx, id, ask, site)
	}
	return a.drop(ctx, id)
}

func (a *Asked) find(ctx context.Context, who string) (u *iam.UserAccount, now time.Time, err error) {
	err = a.DB.View(ctx, func(tx *store.Tx) (err error) {
		now = tx.Now()
		u, err = signin.FindPerson(tx, who)
		return ignoreMiss(err)
	})
	return u, now, err
}

// reachable tells whether a link may be sent to somebody's mailbox: an address
// that nobody vouches for may be a stranger's.
func reachable(u *iam.UserAccount) bool {
	return u.Status == iam.UserAccountActive && !u.EmailUnverified && mail.CheckAddress("email", u.Email) == nil
}

// reset sends the link of a forgotten password. Links that were made before keep
// working: strangers must not end one that an operator has just handed over.
func (a *Asked) reset(ctx context.Context, id string, ask *mail.Ask, site string) error {
	u, now, err := a.find(ctx, ask.Who)
	if err != nil {
		return err
	}
	if u == nil || !reachable(u) {
		return a.drop(ctx, id)
	}
	secret, lookup := signin.NewTicket()
	letter := mail.Write(u.Email, ask.Language, mail.Reset, mail.Words{Site: site, Login: u.Login,
		Link: Link(site, "/reset", "token", secret), Expires: now.Add(signin.ResetLife)})
	packed, err := a.Outbox.Pack(mail.Envelope{Letter: letter})
	if err != nil {
		return err
	}
	return a.inPlaceOf(ctx, id, ask, u.Email, func(tx *store.Tx) error {
		is, err := store.GetUserAccount(tx, u.ID)
		if err != nil || !reachable(is) || is.Email != u.Email {
			return ignoreMiss(err) // has changed just now
		}
		end := tx.Now().Add(signin.ResetLife)
		err = store.InsertTicket(tx, &iam.Ticket{Lookup: lookup, Purpose: iam.TicketPasswordReset, UserID: u.ID, Tries: 1, ExpiresAt: end})
		if err != nil {
			return err
		}
		if err := record(tx, "propusk.CreateResetLink", audit.Place{Type: "iam.userAccount", ID: u.ID}, ask,
			audit.Text("mailed", "true"), audit.Time("expires_at", end)); err != nil {
			return err
		}
		return mail.Post(tx, packed, signin.ResetLife)
	})
}

// signUp sends the link of a new account, or tells that there is one.
func (a *Asked) signUp(ctx context.Context, id string, ask *mail.Ask, site string) error {
	if !a.SignUps.Takes(ask.Who) { // any more
		return a.drop(ctx, id)
	}
	u, now, err := a.find(ctx, ask.Who)
	if err != nil {
		return err
	}
	secret, lookup := signin.NewTicket()
	kind, words := mail.SignUp, mail.Words{Site: site, Link: Link(site, "/join", "invitation", secret), Expires: now.Add(SignUpLife)}
	taken := u != nil
	if taken {
		kind, words = mail.SignUpTaken, mail.Words{Site: site, Link: site + "/login", Login: u.Login}
	}
	packed, err := a.Outbox.Pack(mail.Envelope{Letter: mail.Write(ask.Who, ask.Language, kind, words)})
	if err != nil {
		return err
	}
	return a.inPlaceOf(ctx, id, ask, ask.Who, func(tx *store.Tx) error {
		if taken {
			return mail.Post(tx, packed, askedWorth)
		}
		if err := store.DeleteInvitationsTo(tx, ask.Who, iam.InvitedBySignUp); err != nil {
			return err
		}
		i := &iam.Invitation{ID: resource.NewID(resource.PrefixIAM), Lookup: lookup, Origin: iam.InvitedBySignUp, Email: ask.Who,
			Organizations: a.SignUps.Organizations, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(SignUpLife)}
		if err := store.InsertInvitation(tx, i); err != nil {
			return err
		}
		if err := record(tx, "propusk.CreateInvitation", audit.Place{Type: InvitationKind, ID: i.ID}, ask,
			audit.Text("mailed", "true"), audit.Time("expires_at", i.ExpiresAt)); err != nil {
			return err
		}
		return mail.Post(tx, packed, SignUpLife)
	})
}

// inPlaceOf takes a wish out of the queue and does what comes of it, unless the
// mailbox has been written often enough or another node was quicker.
func (a *Asked) inPlaceOf(ctx context.Context, id string, ask *mail.Ask, mailbox string, act func(tx *store.Tx) error) error {
	return a.DB.Update(ctx, func(tx *store.Tx) error {
		if was, err := store.DeleteMail(tx, id); err != nil || !was {
			return err
		}
		if may, err := a.Passwords.AdmitLetter(tx, string(ask.Kind), mailbox); err != nil || !may {
			return err
		}
		return act(tx)
	})
}

// drop forgets a wish that leads to nothing.
func (a *Asked) drop(ctx context.Context, id string) error {
	return a.DB.Update(ctx, func(tx *store.Tx) error {
		_, err := store.DeleteMail(tx, id)
		return err
	})
}

// record leaves the line of what a wish has led to; the wish had one of its own,
// which does not say whom it names.
func record(tx *store.Tx, event string, at audit.Place, ask *mail.Ask, details ...audit.Detail) error {
	e := &audit.Event{Type: audit.TypeOf(event), Time: tx.Now(), Status: audit.Done,
		Authorization: audit.Authorization{Authorized: true},
		Request:       audit.Request{RemoteAddress: ask.Address, UserAgent: "propusk mail"}, Details: details}
	e.Resource.Path = []audit.Place{at}
	return audit.Insert(tx, e)
}

// ErrNoSite tells that links cannot be made.
var ErrNoSite = errors.New("public-url is not set: it says at which address people reach this server, and links begin with it")
