package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Encryption of the way to the SMTP server.
type Encryption string

// The ways.
const (
	StartTLS Encryption = "starttls" // RFC 3207; a server that does not offer it is not spoken to
	TLS      Encryption = "tls"      // from the first byte, RFC 8314
	Plain    Encryption = "none"
)

// SMTP sends letters by one SMTP server (RFC 5321). Safe for use by many
// goroutines; each letter has a connection of its own.
type SMTP struct {
	Address    string // host:port
	From       string // fits CheckAddress
	User       string // "": without authentication; else by AUTH PLAIN, over TLS or to this machine alone
	Password   iam.Secret
	Encryption Encryption
	Roots      *x509.CertPool // nil: the system's
	Now        func() time.Time
}

// sendLimit bounds how long one letter may take.
const sendLimit = 30 * time.Second

// SendError is why a letter was not taken. Its text has what the SMTP server said,
// which may repeat an address: it is for the operator alone.
type SendError struct {
	Step string // "connect", "greeting", "starttls", "sign in", "sender", "recipient", "message"
	Code int    // of SMTP; 0 when the server said nothing
	// Permanent says that trying again would not help.
	Permanent bool
	Err       error
}

func (e *SendError) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *SendError) Unwrap() error { return e.Err }

// Brief tells of the error without what an SMTP server has said, which may repeat
// addresses or text.
func (e *SendError) Brief() string {
	if e.Code != 0 {
		return fmt.Sprintf("%s: the SMTP server answers %d", e.Step, e.Code)
	}
	if _, ok := errors.AsType[textproto.ProtocolError](e.Err); ok { // it repeats the line
		return e.Step + ": the SMTP server's answer cannot be understood"
	}
	return e.Error()
}

// Send hands a letter to the SMTP server. It fails with a *SendError.
func (s *SMTP) Send(ctx context.Context, l *Letter) error {
	data, err := l.Wire(s.From, s.Now())
	if err != nil {
		return &SendError{Step: "message", Permanent: true, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		return failed("connect", err)
	}
	// The deadline is the machine's own: it is the network that is waited for.
	until, _ := ctx.Deadline()
	_ = conn.SetDeadline(until)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	host, _, _ := net.SplitHostPort(s.Address)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		_ = conn.Close()
		return failed("greeting", err)
	}
	defer c.Close()
	if err := s.introduce(c, host); err != nil {
		return err
	}
	if err := c.Mail(s.From); err != nil {
		return failed("sender", err)
	}
	if err := c.Rcpt(l.To); err != nil {
		return failed("recipient", err)
	}
	w, err := c.Data()
	if err == nil {
		_, err = w.Write(data)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		return failed("message", err)
	}
	_ = c.Quit() // it is taken, whatever is said now
	return nil
}

func (s *SMTP) connect(ctx context.Context) (net.Conn, error) {
	if s.Encryption == TLS {
		return (&tls.Dialer{Config: s.tls()}).DialContext(ctx, "tcp", s.Address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", s.Address)
}

func (s *SMTP) tls() *tls.Config {
	host, _, _ := net.SplitHostPort(s.Address)
	return &tls.Config{ServerName: host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
}

func (s *SMTP) introduce(c *smtp.Client, host string) error {
	_, domain, _ := strings.Cut(s.From, "@")
	if err := c.Hello(domain); err != nil {
		return failed("greeting", err)
	}
	if s.Encryption == StartTLS {
		// Whoever stands between could take the offer out: then nothing is sent.
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return failed("starttls", errors.New("the SMTP server does not offer STARTTLS"))
		}
		if err := c.StartTLS(s.tls()); err != nil {
			return failed("starttls", err)
		}
	}
	if s.User == "" {
		return nil
	}
	if _, ways := c.Extension("AUTH"); !strings.Contains(" "+strings.ToUpper(ways)+" ", " PLAIN ") {
		return failed("sign in", errors.New("the SMTP server does not offer AUTH PLAIN"))
	}
	if err := c.Auth(smtp.PlainAuth("", s.User, s.Password.Reveal(), host)); err != nil {
		return failed("sign in", err)
	}
	return nil
}

func failed(step string, err error) *SendError {
	out := &SendError{Step: step, Err: err}
	if said, ok := errors.AsType[*textproto.Error](err); ok {
		out.Code = said.Code
		// What is wrong before that is this server's settings, which get better.
		out.Permanent = said.Code >= 500 && (step == "recipient" || step == "message")
	}
	return out
}
