package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/mail"
	"github.com/propusk/propusk/internal/signin"
)

// The settings of SignUp, beside Off.
const (
	SignUpOpen   = "open"
	SignUpByMail = "e-mail"
)

// HiddenText is a secret in the settings. However it is printed, it is hidden; a
// conversion to string is the one way to it.
type HiddenText string

// String hides the text.
func (h HiddenText) String() string {
	if h == "" {
		return ""
	}
	return hiddenPassword
}

// GoString hides what String hides.
func (h HiddenText) GoString() string { return h.String() }

// MarshalText hides what String hides.
func (h HiddenText) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// checkJoining judges how accounts come to be and come back.
func (c *Config) checkJoining(dev bool, bad reporter) {
	if _, err := signin.ParsePlaces(c.Places); err != nil {
		bad("places", "%v", err)
	}
	c.checkSMTP(dev, bad)
	switch c.SignUp {
	case Off, SignUpOpen:
		if len(c.SignUpDomains) > 0 {
			bad("sign-up-domains", "only sign-up: %s looks at them", SignUpByMail)
		}
	case SignUpByMail:
		if c.SMTP.Address == "" {
			bad("sign-up", "%q needs smtp-address: the link to the new account goes to a mailbox", SignUpByMail)
		}
		if len(c.SignUpDomains) == 0 {
			bad("sign-up", "%q needs sign-up-domains; %q lets everybody in", SignUpByMail, SignUpOpen)
		}
	default:
		bad("sign-up", "%q is none of %q, %q and %q", c.SignUp, Off, SignUpOpen, SignUpByMail)
	}
	for _, d := range c.SignUpDomains {
		if !validName(d) {
			bad("sign-up-domains", "%q is not the name of a domain", d)
		}
	}
	if c.SignUp == Off && len(c.SignUpOrganization) > 0 {
		bad("sign-up-organization", "nobody signs up while sign-up is %q", Off)
	}
	if slices.Contains(c.SignUpOrganization, "") {
		bad("sign-up-organization", "an empty id")
	}
}

func (c *Config) checkSMTP(dev bool, bad reporter) {
	m := c.SMTP
	if m.Address == "" {
		for _, s := range []struct{ name, value string }{{"smtp-from", m.From}, {"smtp-user", m.User}, {"smtp-password", string(m.Password)}, {"smtp-password-file", m.PasswordFile}} {
			if s.value != "" {
				bad(s.name, "means nothing without smtp-address")
			}
		}
		return
	}
	if err := checkHostPort(m.Address, false); err != nil {
		bad("smtp-address", "%v", err)
	}
	if c.PublicURL == "" && !dev {
		bad("smtp-address", "needs public-url: letters have links")
	}
	if mail.CheckAddress("smtp-from", m.From) != nil {
		bad("smtp-from", "%q is not an e-mail address", m.From)
	}
	switch mail.Encryption(m.TLS) {
	case mail.StartTLS, mail.TLS:
	case mail.Plain:
		if !isLoopback(m.Address) {
			bad("smtp-tls", "%q is for an SMTP server on this machine alone: letters have links that open accounts", mail.Plain)
		}
	default:
		bad("smtp-tls", "%q is none of %q, %q and %q", m.TLS, mail.StartTLS, mail.TLS, mail.Plain)
	}
	if m.Password != "" && m.PasswordFile != "" {
		bad("smtp-password", "smtp-password and smtp-password-file exclude each other")
	}
	if (m.User != "") != (string(m.Password)+m.PasswordFile != "") {
		bad("smtp-user", "smtp-user and a password go together")
	}
}

// password is that of the SMTP server, wherever it stands.
func (m *SMTP) password() (string, error) {
	if m.PasswordFile == "" {
		return string(m.Password), nil
	}
	text, err := os.ReadFile(m.PasswordFile)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return "", fmt.Errorf("smtp-password-file %s: %w", m.PasswordFile, err)
	}
	if len(text) > 4096 || strings.TrimSpace(string(text)) == "" {
		return "", fmt.Errorf("smtp-password-file %s: holds no password", m.PasswordFile)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
