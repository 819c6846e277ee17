package server

import (
	"cmp"
	"context"
	"net/url"
	"runtime"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/passkey"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const (
	// hashShare is what password hashing takes of the machine in the long run:
	// with all that goes with it, less than the tenth that token exchange may lose.
	hashShare = 0.06
	// hashWaiting are the callers that wait for each core, of two at most: on a small
	// machine too, who comes in last has his turn before his call's time is over.
	hashWaiting = 32
	// hashAtOnce bounds the memory that strangers take by the passwords they type,
	// 19 MiB each, however many cores there are.
	hashAtOnce = 4
)

// hashing is how much of a machine with so many cores passwords may take.
func hashing(cores int) signin.HasherConfig {
	return signin.HasherConfig{Cost: signin.Recommended, AtOnce: min(max(1, cores-1), hashAtOnce),
		Waiting: hashWaiting * min(cores, 2), Share: hashShare * float64(cores), Now: time.Now} // the machine's own clock: it is computing that is measured
}

// buildSignIn makes what proves people by their passwords.
func (s *Server) buildSignIn(ctx context.Context) error {
	s.passwords = &signin.Passwords{
		DB: s.db, Addresses: signin.NewAddresses(s.now), Locked: s.recordLockout,
		Hasher: signin.NewHasher(hashing(runtime.GOMAXPROCS(0))),
	}
	if s.opts.Quiet {
		return nil // nobody signs in
	}
	key, err := s.pageKey(ctx)
	s.passwords.Key = key
	return err
}

// recordLockout leaves a line when an account is tried so often that it has to
// wait long; id is "" for a login that nobody has.
func (s *Server) recordLockout(tx *store.Tx, id string) error {
	e := operatorEvent(tx, "propusk.LockSignIn")
	e.Request = audit.Request{UserAgent: "propusk sign-in"}
	if id != "" {
		e.Resource.Path = []audit.Place{{Type: string(kindUser), ID: id}}
	}
	return audit.Insert(tx, e)
}

// signInArea is people who sign in, and their own accounts.
var signInArea = area{
	rules: slices.Concat(signinapi.SignInRules, signinapi.AccountRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		propuskpb.RegisterSignInServiceServer(r, &signinapi.SignInService{
			Changes: k.changes, Passwords: s.passwords, Life: s.cfg.SessionLife, Idle: s.cfg.SessionIdle})
		propuskpb.RegisterAccountServiceServer(r, &signinapi.AccountService{
			Changes: k.changes, Pages: k.pages, Passwords: s.passwords, Factors: s.secondFactors(), Minter: s.minter, Box: s.box,
			Issuer: s.appIssuer(), Idle: s.cfg.SessionIdle, Places: s.places, Now: s.now})
	},
	proofs: func(s *Server, _ kit) (map[string]bodyProof, error) {
		p := &signinapi.Proofs{
			DB: s.db, Passwords: s.passwords, Position: s.replica.Position,
			SecondFactors: s.secondFactors(),
			Session:       s.sessionProver(),
			Seen:          func(id, user string) { s.used.note(usedSession, id, user, s.now()) },
		}
		return p.All(), nil
	},
}

func (s *Server) secondFactors() *signin.SecondFactors {
	return &signin.SecondFactors{DB: s.db, Addresses: s.passwords.Addresses, Open: s.box.Open, Locked: s.recordLockout, Now: signin.Clock(s.now)}
}

func (s *Server) sessionProver() *credential.Session {
	return &credential.Session{Reads: s.replica, Find: s.findSession, Idle: s.cfg.SessionIdle, Now: s.now}
}

func (s *Server) findSession(ctx context.Context, lookup string) (found *iam.Session, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		found, err = store.FindSession(tx, lookup)
		return err
	})
	return found, err
}

// appIssuer is what an authenticator app shows beside the login.
func (s *Server) appIssuer() string {
	u, err := url.Parse(s.cfg.PublicURL)
	if err != nil {
		return productName
	}
	return cmp.Or(u.Hostname(), productName)
}

const productName = "Propusk"

// cleanSignIn forgets what people can no longer use.
func (s *Server) cleanSignIn(tx *store.Tx) error {
	now := tx.Now()
	if _, err := store.DeleteOldSessions(tx, now.Add(-s.cfg.SessionIdle)); err != nil {
		return err
	}
	if err := cleanGrants(tx); err != nil {
		return err
	}
	if _, err := store.DeleteExpiredTickets(tx, now); err != nil {
		return err
	}
	// Answered ones outlive what may still be under way, and clocks that go behind.
	if _, err := store.DeleteExpiredChallenges(tx, now.Add(-passkey.ChallengeLife)); err != nil {
		return err
	}
	if _, err := store.DeleteBegunTOTP(tx, now.Add(-signin.ConfirmLife)); err != nil {
		return err
	}
	if err := cleanJoining(tx); err != nil {
		return err
	}
	_, err := store.DeleteAttemptsBefore(tx, now.Add(-signin.AttemptsKept))
	return err
}
