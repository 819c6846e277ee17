package mail_test

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/iam"
	ours "github.com/propusk/propusk/internal/mail"
)

var monday = time.Date(2026, time.November, 23, 1, 2, 3, 0, time.UTC)

func TestCheckAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"a@example.com": true, "first.last+tag@mail.example.com": true, "o'neil@example.com": true, "A@EXAMPLE.com": true, "root@localhost": true,
		"x@1.example": true, "a@xn--e1aybc.xn--p1ai": true,
		"": false, "a": false, "@example.com": false, "a@": false, "a@b@c": false, "a..b@example.com": false, ".a@example.com": false,
		"a@example..com": false, "a@-example.com": false, "a@example-.com": false, "a@example.com.": false, "a@127.0.0.1": false, "a@[127.0.0.1]": false,
		"a b@example.com": false, "a@exam ple.com": false, "a\r\nRCPT TO:<b@example.com>@example.com": false, "a@example.com\n": false,
		"a>@example.com": false, "<a@example.com>": false, `"a b"@example.com`: false, "ан@example.com": false, "a@пример.рф": false,
		"a@example.com\x00": false, "a,b@example.com": false,
		"a%evil.example@example.com": false, "evil.example!a@example.com": false, "a/b@example.com": false, "|a@example.com": false, strings.Repeat("x", 65) + "@example.com": false,
		"a@" + strings.Repeat("x", 64) + ".com": false, "a@" + strings.Repeat("x.", 60) + "com": false,
	} {
		err := ours.CheckAddress("email", address)
		if (err == nil) != want || err != nil && iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%q: %v", address, err)
		}
	}
	if got := ours.Canonical(" Alice@Example.COM "); got != "alice@example.com" {
		t.Errorf("without capitals: %q", got)
	}
}

// read takes a letter apart as a mail program does.
func read(t *testing.T, wire []byte) (header textproto.MIMEHeader, subject, text string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(wire))
	if err != nil {
		t.Fatalf("%v\n%q", err, wire)
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return textproto.MIMEHeader(m.Header), subject, strings.ReplaceAll(string(body), "\r\n", "\n")
}

var headers = []string{"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}

func TestWire(t *testing.T) {
	for name, l := range map[string]*ours.Letter{
		"plain":    {To: "bob@example.com", Subject: "Hello", Text: "One\nTwo\n"},
		"Russian":  {To: "bob@example.com", Subject: strings.Repeat("Очень длинная тема. ", 20), Text: strings.Repeat("Съешь ещё этих мягких французских булок. ", 30) + "\n"},
		"link":     {To: "bob@example.com", Subject: "x", Text: "https://id.example/reset?token=" + strings.Repeat("abc_-9", 12) + "\n"},
		"dots":     {To: "bob@example.com", Subject: ".", Text: ".\n..\n.\nQUIT\n"},
		"emoji":    {To: "bob@example.com", Subject: "🦊 \u202Eevil <b>", Text: "🦊 \u202Eevil <b>\n"},
		"no words": {To: "bob@example.com"},
	} {
		wire, err := l.Wire("server@id.example", monday)
		if err != nil {
			t.Fatal(err)
		}
		header, subject, text := read(t, wire)
		if subject != strings.TrimSpace(l.Subject) && subject != l.Subject || text != l.Text {
			t.Errorf("%s: %q, %q", name, subject, text)
		}
		var names []string
		for n := range header {
			names = append(names, n)
		}
		slices.Sort(names)
		if !slices.Equal(names, headers) {
			t.Errorf("%s has the headers %q", name, names)
		}
		for n, want := range map[string]string{"From": "<server@id.example>", "To": "<bob@example.com>", "Date": "Mon, 23 Nov 2026 01:02:03 +0000",
			"Content-Type": "text/plain; charset=utf-8", "Auto-Submitted": "auto-generated"} {
			if header.Get(n) != want {
				t.Errorf("%s: %s is %q", name, n, header.Get(n))
			}
		}
		if !strings.HasSuffix(header.Get("Message-Id"), "@id.example>") {
			t.Errorf("%s: %q", name, header.Get("Message-Id"))
		}
		checkLines(t, wire)
	}
	for _, bad := range []*ours.Letter{{To: "a@b.example\r\nBcc: c@d.example"}, {To: ""}} {
		if _, err := bad.Wire("server@id.example", monday); err == nil {
			t.Errorf("a letter goes to %q", bad.To)
		}
	}
	if _, err := (&ours.Letter{To: "a@b.example"}).Wire("server", monday); err == nil {
		t.Error("a letter comes from nowhere")
	}
}

// checkLines looks that lines end as SMTP has them, and are not too long for it.
func checkLines(t *testing.T, wire []byte) {
	t.Helper()
	for _, line := range bytes.SplitAfter(wire, []byte("\n")) {
		if len(line) > 0 && !bytes.HasSuffix(line, []byte("\r\n")) || bytes.Count(line, []byte("\r")) > 1 || len(line) > 1000 {
			t.Errorf("a line is %q", line)
		}
		if bytes.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("a line has bytes beyond ASCII: %q", line)
		}
	}
}

// Whatever stands in a letter, its headers are the same nine.
func FuzzWire(f *testing.F) {
	f.Add("Hello", "text\n")
	f.Add("a\r\nBcc: evil@example.com\r\n\r\nbody", "x\r\n.\r\nMAIL FROM:<evil@example.com>\r\n")
	f.Add("a\nBcc: b@c.d", "\x00\xff")
	f.Add("\u2028\u0085\v\f\x1b", "\r\r\n\n\r")
	f.Add("=?utf-8?q?=0D=0ABcc:_x@y.z?=", "=3D\r")
	f.Add(strings.Repeat("ы ", 300), strings.Repeat("=", 1000))
	f.Fuzz(func(t *testing.T, subject, text string) {
		l := &ours.Letter{To: "bob@example.com", Subject: subject, Text: text}
		wire, err := l.Wire("server@id.example", monday)
		if err != nil {
			t.Fatal(err)
		}
		checkLines(t, wire)
		head, body, ok := bytes.Cut(wire, []byte("\r\n\r\n"))
		if !ok {
			t.Fatalf("no end of the headers: %q", wire)
		}
		got, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(head), "\r\n\r\n"...)))).ReadMIMEHeader()
		if err != nil {
			t.Fatalf("%v: %q", err, head)
		}
		if len(got) != len(headers) || len(got["To"]) != 1 || got.Get("To") != "<bob@example.com>" {
			t.Fatalf("headers %q", head)
		}
		decoded, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
		if err != nil || !utf8.Valid(decoded) {
			t.Fatalf("%v: %q", err, body)
		}
	})
}

func TestLettersSayWhatTheyAreFor(t *testing.T) {
	w := ours.Words{Site: "https://id.example", Link: "https://id.example/join?invitation=XYZ", Login: "alice", Expires: monday}
	for _, kind := range []ours.Kind{ours.Invitation, ours.SignUp, ours.SignUpTaken, ours.Reset, ours.Trial} {
		en, ru := ours.Write("a@b.example", "en", kind, w), ours.Write("a@b.example", "ru", kind, w)
		if other := ours.Write("a@b.example", "de", kind, w); *other != *en {
			t.Errorf("%s in a language that nobody speaks: %q", kind, other.Text)
		}
		if en.Text == ru.Text || en.Subject == ru.Subject {
			t.Errorf("%s is the same in both languages", kind)
		}
		for _, l := range []*ours.Letter{en, ru} {
			if l.To != "a@b.example" || !strings.Contains(l.Subject, "id.example") || !strings.Contains(l.Text, w.Site) {
				t.Errorf("%s: %+v", kind, l)
			}
			if strings.ContainsAny(l.Subject+l.Text, "{}") {
				t.Errorf("%s has blanks: %q %q", kind, l.Subject, l.Text)
			}
			if kind != ours.Trial && !strings.Contains(l.Text, "\n"+w.Link+"\n") {
				t.Errorf("%s has no link on a line of its own: %q", kind, l.Text)
			}
			if timed := kind != ours.Trial && kind != ours.SignUpTaken; timed && !strings.Contains(l.Text, "2026-11-23 01:02 UTC") {
				t.Errorf("%s does not say when it ends: %q", kind, l.Text)
			}
		}
	}
}
