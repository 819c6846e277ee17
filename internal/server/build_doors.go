package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"net"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/keyfile"
)

// buildDoors binds the listeners, with the certificate that they show.
func (s *Server) buildDoors(ctx context.Context) (err error) {
	var encryption *tls.Config
	switch {
	case s.opts.Dev && !s.opts.Memory:
		extra := append(slices.Clone(s.cfg.TLSNames), hostOf(s.cfg.APIHost), hostOf(s.cfg.HTTPListen), hostOf(s.cfg.GRPCListen))
		if h := hostOf(s.cfg.APIHost); h != "" && net.ParseIP(h) == nil {
			extra = append(extra, "iam."+h, "sts."+h) // where the public cloud's clients look for these two
		}
		ca, err := OpenDevCA(s.cfg.Data, slices.DeleteFunc(extra, func(n string) bool { return n == "" }), s.now)
		if err != nil {
			return err
		}
		encryption, s.certNames = ca.TLSConfig(), ca.Names()
	case s.cfg.TLSCert != "":
		files, err := LoadCertificate(s.cfg.TLSCert, s.cfg.TLSKey, s.log, s.now)
		if err != nil {
			return err
		}
		encryption, s.certNames = files.TLSConfig(), files.Names()
	}
	s.doors, err = OpenDoors(ctx, &s.cfg, encryption, s.opts.Dev, s.log)
	if err != nil {
		return err
	}
	s.later(func() error { s.doors.Close(); return nil })
	return s.openAccessDoor(ctx, encryption)
}

// openAccessDoor binds the listener for other services.
func (s *Server) openAccessDoor(ctx context.Context, encryption *tls.Config) (err error) {
	how := AccessTLS{Server: encryption, PlainToo: s.opts.Dev}
	if s.cfg.AccessClientCA != "" && !s.opts.Dev {
		if how.Clients, err = LoadClientAuthority(s.cfg.AccessClientCA, s.log, s.now); err != nil {
			return err
		}
	}
	if s.accessDoor, err = OpenAccessDoor(ctx, &s.cfg, how); err != nil {
		return err
	}
	s.later(s.accessDoor.Close)
	return nil
}

// hostOf is the host of an address with or without a port; "" for wildcards.
func hostOf(address string) string {
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	if ip := net.ParseIP(host); host == "" || host == Off || (ip != nil && ip.IsUnspecified()) {
		return ""
	}
	return host
}

// apiAddress is what discovery tells clients: where gRPC is spoken, host:port.
func (s *Server) apiAddress() string {
	if h := s.cfg.APIHost; h != "" {
		if _, _, err := net.SplitHostPort(h); err == nil {
			return h
		}
		return net.JoinHostPort(h, "443")
	}
	return s.GRPCAddr()
}

const tokenPath = "/iam/v1/tokens"

// The audiences that the public cloud's SDKs have built in
// [client fact: JWT audience].
var publicAudiences = []string{keyfile.PublicAudience, "https://api.cloud.yandex.net" + tokenPath}

// audiences lists what a JWT's aud may be: the public cloud's, our own
// addresses under every name they have, and what the operator adds.
func (s *Server) audiences() []string {
	var out []string
	if !s.cfg.StrictAudience {
		out = append(out, publicAudiences...)
	}
	hosts := []string{}
	if s.cfg.APIHost != "" {
		hosts = append(hosts, s.cfg.APIHost, strings.TrimSuffix(s.cfg.APIHost, ":443"))
	}
	for _, bound := range []string{s.doors.HTTPAddr(), s.doors.GRPCAddr()} {
		host, port, err := net.SplitHostPort(bound)
		if err != nil {
			continue
		}
		names := append([]string{host, hostOf(s.cfg.HTTPListen), hostOf(s.cfg.GRPCListen)}, s.certNames...)
		for _, n := range names {
			if n == "" || strings.Contains(n, "*") {
				continue
			}
			hosts = append(hosts, net.JoinHostPort(n, port))
			if port == "443" || port == "80" {
				hosts = append(hosts, n)
			}
		}
	}
	if u := s.cfg.PublicURL; u != "" {
		if _, rest, ok := strings.Cut(u, "://"); ok {
			hosts = append(hosts, strings.TrimSuffix(rest, "/"))
		}
	}
	for _, h := range hosts {
		for _, scheme := range []string{"https://", "http://"} {
			out = append(out, scheme+h+tokenPath, scheme+"iam."+h+tokenPath)
		}
	}
	out = append(out, s.cfg.Audience...)
	slices.Sort(out)
	return slices.Compact(out)
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
