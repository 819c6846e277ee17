package server

import (
	"context"
	"crypto/x509"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// callers are the services that may ask, by what proves them.
type callers struct {
	byCertificate map[string]*gate.Caller // by certificateName
	byAccount     map[string]*gate.Caller
	everyone      *gate.Caller // in dev: whoever asks
}

// howCertificate is how the audit log spells a proof by certificate; the
// credential's id is the name in it that counted.
const howCertificate = "certificate"

func (s *Server) accessCallers() callers {
	c := callers{byCertificate: map[string]*gate.Caller{}, byAccount: map[string]*gate.Caller{}}
	for _, a := range s.cfg.AccessCallers {
		known := &gate.Caller{Name: a.Name, Types: map[resource.Kind]bool{}}
		for _, t := range a.Types {
			known.Types[resource.Kind(t)] = true
		}
		if a.ServiceAccount != "" {
			c.byAccount[a.ServiceAccount] = known
			continue
		}
		known.Everywhere = true
		known.Identity = &credential.Identity{How: howCertificate, CredentialID: a.Certificate, Subject: iam.Subject{ID: iam.SubjectID(a.Name)}}
		c.byCertificate[certificateName(a.Certificate)] = known
	}
	if s.opts.Dev {
		c.everyone = &gate.Caller{Name: "dev", Everywhere: true}
	}
	return c
}

// What a service reads that does not get in.
var (
	errNoCaller = &iam.Error{Kind: iam.Unauthenticated, Reason: "caller_missing",
		Message: "A service must show a certificate, or an IAM token in the authorization metadata"}
	errUnknownCertificate = &iam.Error{Kind: iam.Unauthenticated, Reason: "caller_certificate",
		Message: "The certificate has no name of a registered service"}
	errExpiredCertificate = &iam.Error{Kind: iam.Unauthenticated, Reason: "caller_certificate",
		Message: "The certificate has expired since the connection began"}
)

// proveService says how other services prove themselves: by a certificate when
// they show one, otherwise by a token.
func (s *Server) proveService(header func(context.Context, string) (*credential.Identity, error), d gate.Decider) func(context.Context, *gate.Request) (*gate.Caller, error) {
	known := s.accessCallers()
	again := &welcome{position: s.replica.Position, now: s.now}
	return func(ctx context.Context, r *gate.Request) (*gate.Caller, error) {
		switch {
		case known.everyone != nil:
			return known.everyone, nil
		case r.Certificate != nil:
			return known.shows(r.Certificate, s.now())
		case r.Authorization == "":
			return nil, errNoCaller
		}
		if c := again.find(r.Authorization); c != nil {
			return c, nil
		}
		at := s.replica.Position()
		id, err := header(ctx, r.Authorization)
		if err != nil {
			return nil, err
		}
		c, err := known.calls(ctx, id, d)
		if err == nil {
			again.keep(r.Authorization, c, at)
		}
		return c, err
	}
}

// shows finds the service that a verified certificate names.
func (c callers) shows(cert *x509.Certificate, now time.Time) (*gate.Caller, error) {
	if now.After(cert.NotAfter) {
		return nil, errExpiredCertificate
	}
	if known := c.named(cert); known != nil {
		return known, nil
	}
	return nil, errUnknownCertificate
}

// certificateName is the form in which names of certificates are compared. Of a
// URI only the scheme and the host are the same in either case; so paths in a
// SPIFFE id are not.
func certificateName(name string) string {
	if !isURI(name) {
		return strings.ToLower(name)
	}
	u, err := url.Parse(name)
	if err != nil {
		return name
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return u.String()
}

// isURI tells a URI from a DNS name and a common name that might be one: a name
// counts only where a certificate has names of its kind.
func isURI(name string) bool { return strings.Contains(name, ":") }

// named goes through the names of a certificate. The common name counts only
// where there are no others, and never for a URI (RFC 6125, section 6.4.4).
func (c callers) named(cert *x509.Certificate) *gate.Caller {
	for _, n := range cert.DNSNames {
		if known := c.byCertificate[certificateName(n)]; known != nil && !isURI(n) {
			return known
		}
	}
	for _, u := range cert.URIs {
		if known := c.byCertificate[certificateName(u.String())]; known != nil && isURI(u.String()) {
			return known
		}
	}
	common := cert.Subject.CommonName
	if len(cert.DNSNames)+len(cert.URIs) > 0 || isURI(common) {
		return nil
	}
	return c.byCertificate[certificateName(common)]
}

// calls finds the service whose account has proved itself with a token.
func (c callers) calls(ctx context.Context, id *credential.Identity, d gate.Decider) (*gate.Caller, error) {
	known, ok := c.byAccount[string(id.Subject.ID)]
	if !ok {
		return nil, &iam.Error{Kind: iam.PermissionDenied, Reason: "caller_unregistered",
			Message: "The " + string(id.Subject.Type) + " " + string(id.Subject.ID) + " is not registered as a service"}
	}
	found, err := d.Decide(ctx, id.Subject, accessservice.Use, id.OrganizationID)
	if err != nil {
		return nil, err
	}
	if !found.Allowed {
		return nil, gate.Denied(found.Path)
	}
	return &gate.Caller{Name: known.Name, Types: known.Types, Identity: id}, nil
}

// welcome remembers services that have proved themselves by a token, as long
// as nothing at all has changed since: a few of them ask all the time with the
// same token.
type welcome struct {
	position func() iam.Position
	now      func() time.Time
	known    sync.Map // the header's value → *welcomed
	count    atomic.Int64
}

type welcomed struct {
	caller *gate.Caller
	at     iam.Position // of the feed, before the proof
	until  time.Time
}

// How long a welcome lasts, so that a node which hears nothing new does not
// take the same proof for ever, and how many there are.
const (
	welcomeLasts = time.Second
	maxWelcomed  = 256
)

// find returns the caller who is remembered with a header, nil when none is.
func (w *welcome) find(authorization string) *gate.Caller {
	v, ok := w.known.Load(authorization)
	if !ok {
		return nil
	}
	if e := v.(*welcomed); e.at == w.position() && w.now().Before(e.until) {
		return e.caller
	}
	return nil
}

// keep remembers a caller; at is the position before he was proved.
func (w *welcome) keep(authorization string, c *gate.Caller, at iam.Position) {
	until := w.now().Add(welcomeLasts)
	if end := c.Identity.NotAfter; end.Before(until) {
		until = end
	}
	if _, replaced := w.known.Swap(authorization, &welcomed{c, at, until}); !replaced && w.count.Add(1) > maxWelcomed {
		w.known.Clear()
		w.count.Store(0)
	}
}
