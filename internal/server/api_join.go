package server

import (
	"context"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mail"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// buildJoining makes what sends mail, and the names of networks.
func (s *Server) buildJoining(context.Context) (err error) {
	if s.places, err = signin.ParsePlaces(s.cfg.Places); err != nil {
		return err
	}
	if s.cfg.SMTP.Address == "" {
		return nil
	}
	password, err := s.cfg.SMTP.password()
	if err != nil {
		return err
	}
	s.smtp = &mail.SMTP{Address: s.cfg.SMTP.Address, From: s.cfg.SMTP.From, User: s.cfg.SMTP.User, Password: iam.NewSecret(password),
		Encryption: mail.Encryption(s.cfg.SMTP.TLS), Now: s.now}
	report := newReport(s.log, "mail", s.now)
	s.outbox = &mail.Outbox{DB: s.db, Box: s.box, Send: s.smtp.Send, Failed: report}
	asked := &signinapi.Asked{DB: s.db, Passwords: s.passwords, Outbox: s.outbox, Site: s.site, SignUps: s.signUps()}
	s.outbox.Answer = asked.Answer
	s.metrics.MustRegister(s.outbox.Collectors()...)
	return nil
}

// site is the address at which people reach the pages, without a slash at its
// end. FAILED_PRECONDITION when nobody has said it.
func (s *Server) site() (string, error) {
	base := s.cfg.PublicURL
	if base == "" && s.opts.Dev && s.doors != nil {
		base = "http://" + s.HTTPAddr()
	}
	if base == "" {
		return "", iam.Wrap(signinapi.ErrNoSite, iam.FailedPrecondition, "%v", signinapi.ErrNoSite)
	}
	return strings.TrimSuffix(base, "/"), nil
}

// joinArea is people who have no account yet, or cannot get into it.
var joinArea = area{
	rules: signinapi.JoinRules,
	register: func(s *Server, k kit, r *gate.Registrar) {
		propuskpb.RegisterJoinServiceServer(r, &signinapi.JoinService{
			Changes: k.changes, Quotas: k.quotas, Passwords: s.passwords, Addresses: signin.NewAddresses(s.now), Outbox: s.outbox,
			SignIn:  &signinapi.SignInService{Changes: k.changes, Passwords: s.passwords, Life: s.cfg.SessionLife, Idle: s.cfg.SessionIdle},
			SignUps: s.signUps()})
	},
}

func (s *Server) signUps() signinapi.SignUps {
	out := signinapi.SignUps{Organizations: s.cfg.SignUpOrganization}
	if s.cfg.SignUp == Off {
		return out
	}
	out.ByMail, out.AtOnce = s.outbox != nil, s.outbox == nil
	for _, d := range s.cfg.SignUpDomains {
		out.Domains = append(out.Domains, strings.ToLower(d))
	}
	return out
}

// joiningKept is how long what has expired stays for those who look why.
const joiningKept = time.Hour

// cleanJoining forgets invitations and messages that have expired.
func cleanJoining(tx *store.Tx) error {
	before := tx.Now().Add(-joiningKept)
	if _, err := store.DeleteExpiredInvitations(tx, before); err != nil {
		return err
	}
	_, err := store.DeleteExpiredMail(tx, before)
	return err
}
