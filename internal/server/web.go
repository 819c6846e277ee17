package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/url"
	"strings"

	"github.com/propusk/propusk/internal/web"
)

// newWebDoor makes the door of people's browsers.
func (s *Server) newWebDoor(pageKey []byte) (*web.Door, error) {
	mac := hmac.New(sha256.New, pageKey)
	mac.Write([]byte("forms of the pages"))
	c := web.Config{Gate: s.gate, Key: mac.Sum(nil), Now: s.now, Log: s.log}
	for _, p := range s.upstream.List() {
		c.Providers = append(c.Providers, web.Provider{ID: p.ID, Title: p.Title})
	}
	if u, err := url.Parse(s.cfg.PublicURL); err == nil && u.Host != "" {
		c.Origin = strings.ToLower(u.Scheme + "://" + u.Host)
		for scheme, port := range map[string]string{"https": ":443", "http": ":80"} { // browsers leave them out
			if u.Scheme == scheme {
				c.Origin = strings.TrimSuffix(c.Origin, port)
			}
		}
	}
	ups := s.signUps()
	c.Joining = web.Joining{Mails: s.outbox != nil, SignUpByMail: ups.ByMail, SignUpAtOnce: ups.AtOnce}
	// A development server takes plaintext beside TLS, and each request tells itself.
	c.Encrypted = !s.opts.Dev && (s.doors.Encrypted() || s.cfg.BehindProxy != "" || strings.HasPrefix(c.Origin, "https://"))
	return web.New(c)
}
