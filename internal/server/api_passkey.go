package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"net"
	"net/netip"
	"slices"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/passkey"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// passkeyArea is people who sign in by passkeys, and their passkeys.
var passkeyArea = area{
	rules: slices.Concat(signinapi.PasskeySignInRules, signinapi.PasskeyRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		passkeys := s.passkeys()
		propuskpb.RegisterPasskeySignInServiceServer(r, &signinapi.PasskeySignInService{Passkeys: passkeys,
			SignIn: &signinapi.SignInService{Changes: k.changes, Passwords: s.passwords, Life: s.cfg.SessionLife, Idle: s.cfg.SessionIdle}})
		propuskpb.RegisterPasskeyServiceServer(r, &signinapi.PasskeyService{
			Changes: k.changes, Pages: k.pages, Passwords: s.passwords, Passkeys: passkeys, Now: s.now, Providers: func() (known []string) {
				for _, p := range s.upstream.List() {
					known = append(known, p.Authority())
				}
				return known
			}})
	},
	proofs: func(s *Server, k kit) (map[string]bodyProof, error) {
		of, err := signInArea.proofs(s, k)
		if err != nil {
			return nil, err
		}
		return s.passkeys().All(of[propuskpb.AccountService_Get_FullMethodName]), nil
	},
}

func (s *Server) passkeys() *signinapi.Passkeys {
	mac := hmac.New(sha256.New, s.passwords.Key)
	mac.Write([]byte("challenges of passkeys"))
	return &signinapi.Passkeys{DB: s.db, Site: s.passkeySite, Challenges: passkey.Challenges{Key: mac.Sum(nil), Now: s.now},
		Addresses: s.passwords.Addresses, Factors: s.secondFactors(), Position: s.replica.Position, Refused: s.recordPasskeyRefused}
}

// passkeySite is where people's browsers know this server: public-url, or localhost
// with the port of a listener on the loopback, over TLS or, in development, both. No
// request says where: it would say what somebody wants it to.
func (s *Server) passkeySite() (passkey.Site, error) {
	if u := s.cfg.PublicURL; u != "" {
		return passkey.SiteOf(u)
	}
	if s.doors == nil {
		return passkey.SiteOf()
	}
	host, port, err := net.SplitHostPort(s.doors.HTTPAddr())
	if err != nil {
		return passkey.SiteOf()
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return passkey.SiteOf()
	}
	var addresses []string
	if s.opts.Dev || !s.doors.Encrypted() {
		addresses = append(addresses, "http://localhost:"+port)
	}
	if s.opts.Dev || s.doors.Encrypted() {
		addresses = append(addresses, "https://localhost:"+port)
	}
	return passkey.SiteOf(addresses...)
}

// recordPasskeyRefused leaves a line when a passkey's counter goes back: there may
// be two of it.
func (s *Server) recordPasskeyRefused(tx *store.Tx, p *iam.Passkey) error {
	e := operatorEvent(tx, "propusk.RefusePasskey", audit.Text("passkey_id", p.ID), audit.Text("because", "counter"))
	e.Request = audit.Request{UserAgent: "propusk sign-in"}
	e.Resource.Path = []audit.Place{{Type: string(kindUser), ID: p.UserID}}
	return audit.Insert(tx, e)
}
