package signinapi

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/passkey"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// PasskeyRules are the rows of PasskeyService. A person needs no role for what is
// his own.
var PasskeyRules = gate.Only(door, gate.Rules("propusk.v1.PasskeyService",
	gate.Rule{Method: "Begin", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.BeginUserCredential"},
	gate.Rule{Method: "Create", Proof: gate.Body, Effect: gate.Changes, Event: "iam.mfa.CreateUserCredential"},
	gate.Rule{Method: "List", Proof: gate.Body},
	gate.Rule{Method: "Rename", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.UpdateUserCredential"},
	gate.Rule{Method: "Remove", Proof: gate.Body, Effect: gate.Changes, Event: "iam.mfa.DeleteUserCredential"},
)...)

const (
	// mostPasskeys is how many a person has at most.
	mostPasskeys = 20
	// recentSignIn is how long ago a person without a password may have signed in to
	// change how he does.
	recentSignIn = 5 * time.Minute
)

// PasskeyService is propusk.v1.PasskeyService.
type PasskeyService struct {
	propuskpb.UnimplementedPasskeyServiceServer
	Changes   cloudapi.Changes
	Pages     cloudapi.Pages
	Passwords *signin.Passwords
	Passkeys  *Passkeys
	Providers func() []string // by whose accounts people may sign in; see store.CountWaysIn
	Now       func() time.Time
}

var (
	errSignInAgain = &iam.Error{Kind: iam.FailedPrecondition, Reason: "sign_in_again", Message: "The sign-in was too long ago for this; sign in again"}
	errLastWayIn   = &iam.Error{Kind: iam.FailedPrecondition, Reason: "last_way_in", Message: "The account has no other way to sign in than this passkey: add another one, or have a password set, first"}
)

// proveAgain asks a person for his password before something that a stolen session
// must not do; of one who has none the sign-in must be recent.
func proveAgain(ctx context.Context, db *store.DB, passwords *signin.Passwords, password string, now time.Time) error {
	id := gate.From(ctx).Identity
	userID := string(id.Subject.ID)
	has, began := true, time.Time{}
	err := db.View(ctx, func(tx *store.Tx) error {
		_, err := store.GetPassword(tx, userID)
		if has = !errors.Is(err, iam.NotFound); has {
			return err
		}
		session, err := store.GetSession(tx, id.CredentialID)
		if err == nil {
			began = session.AuthenticatedAt
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case has:
		return passwords.ProveAgain(ctx, userID, iam.NewSecret(password))
	case now.Sub(began) > recentSignIn:
		return errSignInAgain
	}
	return nil
}

// Begin makes a challenge for a new passkey of the caller.
func (s *PasskeyService) Begin(ctx context.Context, r *propuskpb.BeginPasskeyRequest) (*propuskpb.BeginPasskeyResponse, error) {
	site, err := s.Passkeys.Site()
	if err != nil {
		return nil, errNoSite
	}
	if err := proveAgain(ctx, s.Changes.DB, s.Passwords, r.GetPassword(), s.Now()); err != nil {
		return nil, err
	}
	id := gate.From(ctx).Identity
	userID := string(id.Subject.ID)
	out := &propuskpb.BeginPasskeyResponse{Site: siteProto(site), UserHandle: []byte(userID), Algorithms: passkey.Algorithms,
		Challenge: s.Passkeys.Challenges.New(useRegister(userID, id.CredentialID))}
	err = s.Changes.Plain(ctx, func(tx *store.Tx) error {
		u, err := store.GetUserAccount(tx, userID)
		if err != nil {
			return err
		}
		out.Login, out.Name = u.Login, u.Name
		if out.Alone, err = withoutPassword(tx, userID); err != nil {
			return err
		}
		out.Passkeys, err = hints(tx, userID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Create keeps a passkey of the caller.
func (s *PasskeyService) Create(ctx context.Context, r *propuskpb.CreatePasskeyRequest) (*propuskpb.CreatePasskeyResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	name, err := passkeyName(r.GetName())
	if err != nil {
		return nil, err
	}
	if err := checkTransports(r.GetTransports()); err != nil {
		return nil, err
	}
	registered, spent, err := s.register(call, r)
	if err != nil {
		return nil, err
	}
	p := &iam.Passkey{ID: resource.NewID(resource.PrefixIAM), UserID: userID, CredentialID: registered.CredentialID, Name: name,
		Algorithm: registered.Algorithm, PublicKey: registered.PublicKey, SignCount: int64(registered.SignCount),
		Transports: r.GetTransports(), BackedUp: registered.BackedUp}
	call.Note("passkey_id", p.ID)
	codes, hashes := signin.NewRecoveryCodes(userID)
	var fresh bool
	err = s.Changes.Plain(ctx, func(tx *store.Tx) (err error) {
		p.CreatedAt = tx.Now()
		if _, err := store.GetUserAccount(tx, userID); err != nil { // holds him while what he has is looked at
			return err
		}
		before, err := factorsOf(tx, userID)
		if err != nil {
			return err
		}
		if !registered.UserVerified {
			alone, err := withoutPassword(tx, userID)
			if err != nil {
				return err
			}
			if alone { // it would count as a way in, and be none
				return unreadable("attestation_object", errors.New("the device has not verified who is there, and there is no password that would"))
			}
		}
		if fresh, err = s.create(tx, p, spent, hashes); err != nil || len(before) > 0 {
			return err
		}
		ended, err := endProvedByPassword(tx, userID, call.Identity.CredentialID) // for the password alone is not enough now
		call.NoteDetail(endedDetail(ended))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &propuskpb.CreatePasskeyResponse{Passkey: passkeyProto(p)}
	if fresh {
		out.RecoveryCodes = codes
	}
	return out, nil
}

// withoutPassword tells whether a person can use a passkey alone only.
func withoutPassword(tx *store.Tx, userID string) (bool, error) {
	_, err := store.GetPassword(tx, userID)
	if errors.Is(err, iam.NotFound) {
		return true, nil
	}
	return false, err
}

// register reads a registration, and tells what is kept of the challenge that it
// answers.
func (s *PasskeyService) register(call *gate.Call, r *propuskpb.CreatePasskeyRequest) (*passkey.Registered, *iam.Challenge, error) {
	site, err := s.Passkeys.Site()
	if err != nil {
		return nil, nil, errNoSite
	}
	challenge, err := passkey.ChallengeIn(r.GetClientData())
	if err != nil {
		return nil, nil, unreadable("client_data", err)
	}
	userID := string(call.Caller().ID)
	end, err := s.Passkeys.Challenges.Check(challenge, useRegister(userID, call.Identity.CredentialID))
	if errors.Is(err, passkey.ErrLate) {
		return nil, nil, &iam.Error{Kind: iam.FailedPrecondition, Reason: errLate.Reason, Message: errLate.Message}
	}
	if err != nil {
		return nil, nil, unreadable("client_data", err)
	}
	registered, err := site.Register(challenge, r.GetClientData(), r.GetAttestationObject())
	if err != nil {
		return nil, nil, unreadable("attestation_object", err)
	}
	return registered, &iam.Challenge{Lookup: passkey.Lookup(challenge), Purpose: iam.ChallengePasskey, UserID: userID, ExpiresAt: end}, nil
}

// create writes a passkey, and recovery codes for a person who has none; fresh
// tells whether it did.
func (s *PasskeyService) create(tx *store.Tx, p *iam.Passkey, spent *iam.Challenge, hashes []string) (fresh bool, err error) {
	ok, err := store.SpendChallenge(tx, spent)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, unreadable("client_data", errors.New("the challenge was answered before"))
	}
	n, err := store.CountPasskeys(tx, p.UserID)
	if err != nil {
		return false, err
	}
	if n >= mostPasskeys {
		return false, iam.Errorf(iam.FailedPrecondition, "The account has %d passkeys: remove some of them first", n)
	}
	if err := store.InsertPasskey(tx, p); err != nil {
		return false, err
	}
	left, err := store.CountRecoveryCodes(tx, p.UserID)
	if err != nil || left > 0 {
		return false, err
	}
	return true, store.SetRecoveryCodes(tx, p.UserID, hashes)
}

// List pages through the caller's passkeys.
func (s *PasskeyService) List(ctx context.Context, r *propuskpb.ListPasskeysRequest) (*propuskpb.ListPasskeysResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: string(call.Caller().ID), Size: r.GetPageSize(), Token: r.GetPageToken()}
	page, next, err := cloudapi.PageByID(ctx, s.Changes.DB, s.Pages, l, store.ListPasskeys, passkeyProto)
	return &propuskpb.ListPasskeysResponse{Passkeys: page, NextPageToken: next, Site: siteProto(s.Passkeys.offered())}, err
}

// Rename gives one of the caller's passkeys another name; another person's is
// NOT_FOUND.
func (s *PasskeyService) Rename(ctx context.Context, r *propuskpb.RenamePasskeyRequest) (*propuskpb.RenamePasskeyResponse, error) {
	call := gate.From(ctx)
	call.Note("passkey_id", r.GetPasskeyId())
	name, err := passkeyName(r.GetName())
	if err != nil {
		return nil, err
	}
	return &propuskpb.RenamePasskeyResponse{}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		return store.RenamePasskey(tx, string(call.Caller().ID), r.GetPasskeyId(), name)
	})
}

// Remove takes one of the caller's passkeys away. Sign-ins by it that are under way
// come to nothing; sessions that it began stay.
func (s *PasskeyService) Remove(ctx context.Context, r *propuskpb.RemovePasskeyRequest) (*propuskpb.RemovePasskeyResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	call.Note("passkey_id", r.GetPasskeyId())
	if err := proveAgain(ctx, s.Changes.DB, s.Passwords, r.GetPassword(), s.Now()); err != nil {
		return nil, err
	}
	return &propuskpb.RemovePasskeyResponse{}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		if _, err := store.GetUserAccount(tx, userID); err != nil { // held: two at once do not both leave the other
			return err
		}
		if err := store.DeletePasskey(tx, userID, r.GetPasskeyId()); err != nil {
			return err
		}
		left, err := store.CountWaysIn(tx, userID, s.Providers())
		if err != nil {
			return err
		}
		if left == 0 {
			return errLastWayIn
		}
		return endPasskeys(tx, userID, r.GetPasskeyId())
	})
}

// RemovePasskeys takes all passkeys of a person away and tells how many there were.
func RemovePasskeys(tx *store.Tx, userID string) (int, error) {
	gone, err := store.DeletePasskeys(tx, userID)
	if err != nil {
		return 0, err
	}
	return len(gone), endPasskeys(tx, userID, gone...)
}

// endPasskeys ends what rests on passkeys that are gone.
func endPasskeys(tx *store.Tx, userID string, ids ...string) error {
	for _, id := range ids {
		if err := revocation.Revoke(tx, token.KindCredential, id); err != nil {
			return err
		}
	}
	return store.DropIdleRecoveryCodes(tx, userID)
}

// passkeyName is a name as it is kept: what can be read, on one line, in the order
// in which it is written.
func passkeyName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if !strings.ContainsFunc(name, seen) || strings.ContainsFunc(name, unseen) {
		return "", iam.InvalidField("name", "must have from 1 to 64 characters that can be seen")
	}
	return name, nil
}

func seen(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) }

// unseen tells of what breaks lines and what turns the text around it. Emoji are
// joined by a mark of the same kind as the latter, which turns nothing.
func unseen(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// checkTransports takes the words that browsers have, and those they may get.
func checkTransports(words []string) error {
	for _, w := range words {
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz-") != "" {
			return iam.InvalidField("transports", "must be words of small letters and hyphens")
		}
	}
	return nil
}

func passkeyProto(p *iam.Passkey) *propuskpb.Passkey {
	return &propuskpb.Passkey{Id: p.ID, Name: p.Name, CreatedAt: stamp(p.CreatedAt), LastUsedAt: stamp(p.LastUsedAt), BackedUp: p.BackedUp}
}
