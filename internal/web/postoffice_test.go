package web_test

import (
	"bufio"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
)

// postOffice is a small SMTP server, and the mailboxes behind it.
type postOffice struct {
	addr    string
	mu      sync.Mutex
	letters []sentLetter
	closed  bool // for today: answers 451
}

type sentLetter struct{ to, subject, text string }

func openPostOffice(t *testing.T) *postOffice {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postOffice{addr: l.Addr().String()}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { defer c.Close(); p.serve(c) })
		}
	})
	return p
}

func (p *postOffice) serve(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r := textproto.NewReader(bufio.NewReader(c))
	say := func(line string) { _, _ = io.WriteString(c, line+"\r\n") }
	say("220 post office")
	to := ""
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "RCPT":
			p.mu.Lock()
			closed := p.closed
			p.mu.Unlock()
			if to = line; closed {
				say("451 come back tomorrow")
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			m, err := mail.ReadMessage(bufio.NewReader(r.DotReader()))
			if err != nil {
				return
			}
			text, _ := io.ReadAll(quotedprintable.NewReader(m.Body))
			subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			to = strings.TrimSuffix(strings.TrimPrefix(to, "RCPT TO:<"), ">")
			if m.Header.Get("To") != "<"+to+">" {
				subject = "for another: " + m.Header.Get("To")
			}
			p.mu.Lock()
			p.letters = append(p.letters, sentLetter{to, subject, string(text)})
			p.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// wait returns the letters when so many have come.
func (p *postOffice) wait(t *testing.T, n int) []sentLetter {
	t.Helper()
	for range 400 {
		p.mu.Lock()
		got := slices.Clone(p.letters)
		p.mu.Unlock()
		if len(got) >= n {
			return got
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%d letters have not come", n)
	return nil
}

// quiet waits until nothing waits to be sent.
func quiet(t *testing.T, w *propusktest.Server) {
	t.Helper()
	for range 400 {
		n := 0
		err := w.Server.DB().View(t.Context(), func(tx *store.Tx) (err error) {
			n, err = store.CountMail(tx, 10)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("messages wait for ever")
}

var linkInLetter = regexp.MustCompile(`http://[^\s]+(/(?:join|reset)\?[a-z]+=[A-Za-z0-9_-]{43})\r?\n`)

func (l sentLetter) link(t *testing.T) string {
	t.Helper()
	m := linkInLetter.FindStringSubmatch(l.text)
	if m == nil {
		t.Fatalf("no link in %q", l.text)
	}
	return m[1]
}

func mails(p *postOffice) propusktest.Option {
	return propusktest.WithConfig(func(c *server.Config) {
		c.SMTP = server.SMTP{Address: p.addr, From: "propusk@id.example", TLS: "none"}
	})
}
