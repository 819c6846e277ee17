package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mail"
)

// post is a small SMTP server (RFC 5321) that keeps what it is given.
type post struct {
	addr  string
	roots *x509.CertPool
	cert  tls.Certificate

	mu       sync.Mutex
	taken    []taken
	says     map[string]string // by verb, in place of the usual answer
	noTLS    bool              // does not offer STARTTLS
	implicit bool              // speaks TLS from the first byte
	silent   bool              // says nothing
	login    string            // "user password"; "": nobody signs in
}

type taken struct {
	from, to, data string
	encrypted      bool
	user           string
}

func openPost(t *testing.T, change func(*post)) *post {
	t.Helper()
	p := &post{says: map[string]string{}}
	p.certify(t)
	change(p)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(c) })
		}
	})
	return p
}

func (p *post) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	is := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "post"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, is, is, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p.roots = x509.NewCertPool()
	p.roots.AddCert(parsed)
	p.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (p *post) serve(c net.Conn) {
	defer func() { c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if p.silent {
		_, _ = c.Read(make([]byte, 1))
		return
	}
	var m taken
	wrap := func() {
		c, m = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{p.cert}}), taken{encrypted: true}
	}
	if p.implicit {
		wrap()
	}
	r := textproto.NewReader(bufio.NewReader(c))
	say := func(line string) { _, _ = c.Write([]byte(line + "\r\n")) }
	say("220 post")
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		verb := strings.ToUpper(strings.Fields(line + " x")[0])
		if other := p.says[verb]; other != "" {
			say(other)
			continue
		}
		switch verb {
		case "EHLO":
			say("250-post")
			if !p.noTLS && !m.encrypted {
				say("250-STARTTLS")
			}
			if p.login != "" {
				say("250-AUTH LOGIN PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go")
			wrap()
			r = textproto.NewReader(bufio.NewReader(c))
		case "AUTH":
			raw, _ := base64.StdEncoding.DecodeString(strings.Fields(line)[2])
			if m.user = strings.ReplaceAll(strings.Trim(string(raw), "\x00"), "\x00", " "); m.user != p.login {
				say("535 5.7.8 no")
				continue
			}
			say("235 yes")
		case "MAIL":
			m.from = line
			say("250 ok")
		case "RCPT":
			m.to = line
			say("250 ok")
		case "DATA":
			say("354 go on")
			data, err := r.ReadDotBytes()
			if err != nil {
				return
			}
			m.data = string(data)
			p.mu.Lock()
			p.taken = append(p.taken, m)
			p.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what?")
		}
	}
}

func (p *post) letters() []taken {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]taken(nil), p.taken...)
}

func (p *post) smtp(how mail.Encryption) *mail.SMTP {
	return &mail.SMTP{Address: p.addr, From: "server@id.example", Encryption: how, Roots: p.roots, Now: func() time.Time { return monday }}
}

var letter = &mail.Letter{To: "bob@example.com", Subject: "Привет", Text: "Строка\n.\nhttps://id.example/reset?token=SECRET\n"}

func TestSend(t *testing.T) {
	for name, c := range map[string]struct {
		how    mail.Encryption
		change func(*post)
		user   string
	}{
		"STARTTLS":       {mail.StartTLS, func(*post) {}, ""},
		"TLS":            {mail.TLS, func(p *post) { p.implicit = true }, ""},
		"in the clear":   {mail.Plain, func(p *post) { p.noTLS = true }, ""},
		"with a name":    {mail.StartTLS, func(p *post) { p.login = "robot correct horse" }, "robot correct horse"},
		"quits rudely":   {mail.StartTLS, func(p *post) { p.says["QUIT"] = "500 no" }, ""},
		"name, in clear": {mail.Plain, func(p *post) { p.login, p.noTLS = "robot correct horse", true }, "robot correct horse"}, // to this machine alone
	} {
		t.Run(name, func(t *testing.T) {
			p := openPost(t, c.change)
			s := p.smtp(c.how)
			if c.user != "" {
				s.User, s.Password = "robot", iam.NewSecret("correct horse")
			}
			if err := s.Send(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			got := p.letters()
			if len(got) != 1 || got[0].encrypted != (c.how != mail.Plain) || got[0].user != c.user {
				t.Fatalf("%+v", got)
			}
			if !strings.HasPrefix(got[0].from, "MAIL FROM:<server@id.example>") || got[0].to != "RCPT TO:<bob@example.com>" {
				t.Errorf("%q to %q", got[0].from, got[0].to)
			}
			if _, subject, text := read(t, []byte(got[0].data)); subject != letter.Subject || text != letter.Text {
				t.Errorf("%q, %q", subject, text)
			}
		})
	}
}

func TestSendFails(t *testing.T) {
	for name, c := range map[string]struct {
		how       mail.Encryption
		change    func(*post)
		ours      func(*mail.SMTP)
		step      string
		code      int
		permanent bool
	}{
		"no STARTTLS":       {mail.StartTLS, func(p *post) { p.noTLS = true }, nil, "starttls", 0, false},
		"strange authority": {mail.StartTLS, func(*post) {}, func(s *mail.SMTP) { s.Roots = x509.NewCertPool() }, "starttls", 0, false},
		"strange one, TLS":  {mail.TLS, func(p *post) { p.implicit = true }, func(s *mail.SMTP) { s.Roots = x509.NewCertPool() }, "connect", 0, false},
		"TLS to plaintext":  {mail.TLS, func(*post) {}, nil, "connect", 0, false},
		"wrong password":    {mail.StartTLS, func(p *post) { p.login = "robot right" }, func(s *mail.SMTP) { s.User, s.Password = "robot", iam.NewSecret("wrong") }, "sign in", 535, false},
		"no AUTH":           {mail.StartTLS, func(*post) {}, func(s *mail.SMTP) { s.User = "robot" }, "sign in", 0, false},
		"busy":              {mail.StartTLS, func(p *post) { p.says["MAIL"] = "451 later" }, nil, "sender", 451, false},
		"sender refused":    {mail.StartTLS, func(p *post) { p.says["MAIL"] = "550 not you" }, nil, "sender", 550, false},
		"no such mailbox":   {mail.StartTLS, func(p *post) { p.says["RCPT"] = "550 5.1.1 <bob@example.com>: who?" }, nil, "recipient", 550, true},
		"mailbox is full":   {mail.StartTLS, func(p *post) { p.says["RCPT"] = "452 full" }, nil, "recipient", 452, false},
		"not this text":     {mail.StartTLS, func(p *post) { p.says["DATA"] = "554 spam" }, nil, "message", 554, true},
		"no code":           {mail.StartTLS, func(p *post) { p.says["RCPT"] = "bob@example.com? SECRET!" }, nil, "recipient", 0, false},
		"half a code":       {mail.StartTLS, func(p *post) { p.says["DATA"] = "25x bob@example.com SECRET" }, nil, "message", 0, false},
		"nobody is there":   {mail.StartTLS, func(*post) {}, func(s *mail.SMTP) { s.Address = "127.0.0.1:1" }, "connect", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPost(t, c.change)
			s := p.smtp(c.how)
			if c.ours != nil {
				c.ours(s)
			}
			err := s.Send(t.Context(), letter)
			refusal, ok := errors.AsType[*mail.SendError](err)
			if !ok || refusal.Step != c.step || refusal.Code != c.code || refusal.Permanent != c.permanent {
				t.Fatalf("%#v", err)
			}
			if brief := refusal.Brief(); strings.Contains(brief, "bob@") || strings.Contains(brief, "SECRET") {
				t.Errorf("the log reads %q", brief)
			}
			if len(p.letters()) != 0 {
				t.Error("a letter was taken")
			}
		})
	}
	p := openPost(t, func(p *post) { p.silent = true })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.smtp(mail.StartTLS).Send(ctx, letter); err == nil {
		t.Error("a server that says nothing has taken a letter")
	}
}
