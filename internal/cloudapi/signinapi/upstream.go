package signinapi

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/upstream"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// UpstreamRules are the rows of UpstreamService. Begin leaves nothing but a row
// that ends by itself and gives nobody anything, and so no audit line.
var UpstreamRules = gate.Only(door, gate.Rules("propusk.v1.UpstreamService",
	gate.Rule{Method: "Begin", Proof: gate.Open},
	gate.Rule{Method: "Finish", Proof: gate.Body, Effect: gate.Changes, Event: "iam.credential.ApplicationLoginEvent"},
	gate.Rule{Method: "List", Proof: gate.Body},
	gate.Rule{Method: "BeginConnection", Proof: gate.Body},
	gate.Rule{Method: "FinishConnection", Proof: gate.Body, Effect: gate.Changes, Event: eventConnect},
	gate.Rule{Method: "Disconnect", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.DisconnectExternalIdentity"},
)...)

const eventConnect = "propusk.ConnectExternalIdentity"

// UpstreamService is propusk.v1.UpstreamService.
type UpstreamService struct {
	propuskpb.UnimplementedUpstreamServiceServer
	SignIn    *SignInService
	Journeys  *Journeys
	Passwords *signin.Passwords
	Now       func() time.Time
}

// Journeys are browsers on their way to a provider and back.
type Journeys struct {
	DB        *store.DB
	Providers *upstream.Providers
	Addresses *signin.Addresses
	// Issuer is the address of this server, to which browsers come back.
	Issuer func() (string, error)
}

// journey is what is kept of one: nothing that would let anybody finish it.
type journey struct {
	Authority string `json:"authority"`
	Browser   string `json:"browser"`
	Session   string `json:"session,omitempty"` // in which an account is to be connected
	Since     int64  `json:"since,omitempty"`   // in seconds since 1970, of who has to prove himself anew
}

func (j *Journeys) back(provider string) (string, error) {
	issuer, err := j.Issuer()
	return issuer + "/login/from/" + provider, err
}

// begin makes a journey; user is whose account is to be connected.
func (j *Journeys) begin(ctx context.Context, provider string, purpose iam.ChallengePurpose, user string, kept journey) (*propuskpb.UpstreamJourney, error) {
	p, err := j.Providers.Find(provider)
	if err != nil {
		return nil, err
	}
	back, err := j.back(provider)
	if err != nil {
		return nil, err
	}
	set := j.Providers.Begin
	if kept.Since != 0 {
		set = j.Providers.BeginAnew
	}
	way, err := set(ctx, provider, back)
	if err != nil {
		return nil, err
	}
	kept.Authority, kept.Browser = p.Authority(), upstream.BrowserMark(way.Browser)
	data, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	var expires time.Time
	err = j.DB.Update(ctx, func(tx *store.Tx) error {
		expires = tx.Now().Add(upstream.JourneyLife)
		return store.InsertChallenge(tx, &iam.Challenge{Lookup: upstream.Lookup(way.State.Reveal()), Purpose: purpose, UserID: user,
			Data: string(data), ExpiresAt: expires})
	})
	if err != nil {
		return nil, err
	}
	return &propuskpb.UpstreamJourney{Url: way.URL, Browser: way.Browser.Reveal(), ExpiresAt: timestamppb.New(expires)}, nil
}

var errJourney = &iam.Error{Kind: iam.Unauthenticated, Reason: "journey_ended", Message: "The sign-in was not begun in this browser, has ended or was finished before"}

// finish uses a journey up, whatever comes of it, and asks the provider who came
// back. The person's browser must be the one that set out, by the same provider
// and, when an account is connected, in the same session.
func (j *Journeys) finish(ctx context.Context, provider string, purpose iam.ChallengePurpose, user, session string,
	a *propuskpb.UpstreamAnswer) (*upstream.Person, error) {
	p, err := j.Providers.Find(provider)
	if err != nil {
		return nil, err
	}
	browser := iam.NewSecret(a.GetBrowser())
	if a.GetState() == "" || a.GetBrowser() == "" {
		return nil, errJourney
	}
	var c *iam.Challenge
	err = j.DB.Update(ctx, func(tx *store.Tx) (err error) {
		c, err = store.TakeChallenge(tx, purpose, upstream.Lookup(a.GetState()))
		return err
	})
	if errors.Is(err, iam.NotFound) {
		return nil, errJourney
	}
	if err != nil {
		return nil, err
	}
	var kept journey
	if err := json.Unmarshal([]byte(c.Data), &kept); err != nil {
		return nil, err
	}
	if kept.Authority != p.Authority() || !upstream.SameBrowser(browser, kept.Browser) || kept.Session != session || c.UserID != user {
		return nil, errJourney
	}
	back, err := j.back(provider)
	if err != nil {
		return nil, err
	}
	answer := upstream.Answer{Code: iam.NewSecret(a.GetCode()), Issuer: a.GetIss(), Error: a.GetError(), Browser: browser, Back: back}
	if kept.Since != 0 {
		answer.Since = time.Unix(kept.Since, 0)
	}
	who, err := j.Providers.Finish(ctx, provider, answer)
	if err == nil && kept.Since != 0 {
		who.AuthenticatedAt = time.Time{} // now, whatever clock the provider has
	}
	return who, err
}

func providerProto(p *upstream.Provider) *propuskpb.UpstreamProvider {
	return &propuskpb.UpstreamProvider{Id: p.ID, Title: p.Title}
}

// Begin sends a browser to a provider. Strangers are slowed down by their addresses
// as in Passwords, for it costs a row.
func (s *UpstreamService) Begin(ctx context.Context, r *propuskpb.BeginUpstreamRequest) (*propuskpb.UpstreamJourney, error) {
	if err := s.Journeys.Addresses.Enter(r.GetClient().GetAddress()); err != nil {
		return nil, err
	}
	var kept journey
	if r.GetAnew() {
		kept.Since = s.Now().Unix()
	}
	return s.Journeys.begin(ctx, r.GetProvider(), iam.ChallengeUpstream, "", kept)
}

// methodFederated says that another provider has vouched for the person. RFC 8176
// has no word for it; this one is used by others too.
const methodFederated = "fed"

// ticketFederated ends a ticket to the second factor after a sign-in elsewhere. A
// ticket is found by the hash of its whole text, so nobody adds it to another.
const ticketFederated = ".fed"

// firstMethod is the method of the first factor that has led to a ticket.
func firstMethod(ticket string) string {
	if strings.HasSuffix(ticket, ticketFederated) {
		return methodFederated
	}
	return methodPassword
}

// Finish makes a session of a person whom a provider has vouched for, or a ticket
// to the second factor when he has one and the provider is not trusted with it.
func (s *UpstreamService) Finish(ctx context.Context, r *propuskpb.FinishUpstreamRequest) (*propuskpb.SignInResponse, error) {
	call := gate.From(ctx)
	p, err := s.Journeys.Providers.Find(r.GetProvider())
	if err != nil {
		return nil, err
	}
	userID := string(call.Caller().ID)
	fresh := newSession(userID, r.GetClient(), false, methodFederated)
	fresh.proved = call.Identity.ProvedAt
	secret, _ := signin.NewTicket()
	ticket := secret.Reveal() + ticketFederated
	var expires time.Time
	var factors []propuskpb.Factor
	err = s.SignIn.Changes.Plain(ctx, func(tx *store.Tx) (err error) {
		if factors = nil; !p.TrustSecondFactor {
			if factors, err = factorsOf(tx, userID); err != nil {
				return err
			}
		}
		if len(factors) == 0 {
			call.NoteDetail(audit.Text("second_factor", "none"))
			return s.SignIn.begin(tx, call, fresh)
		}
		call.NoteDetail(audit.Text("second_factor", "asked"))
		expires = tx.Now().Add(signin.TicketLife)
		return store.InsertTicket(tx, &iam.Ticket{Lookup: signin.TicketLookup(ticket), Purpose: iam.TicketSecondFactor, UserID: userID,
			Tries: signin.TicketTries, ExpiresAt: expires})
	})
	if err != nil {
		return nil, err
	}
	s.Journeys.Addresses.Forgive(r.GetClient().GetAddress())
	if len(factors) == 0 {
		return fresh.answer(), nil
	}
	return &propuskpb.SignInResponse{Result: &propuskpb.SignInResponse_SecondFactor_{SecondFactor: &propuskpb.SignInResponse_SecondFactor{
		Ticket: ticket, ExpiresAt: timestamppb.New(expires), Factors: factors,
	}}}, nil
}
