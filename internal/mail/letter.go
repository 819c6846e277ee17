package mail

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"
	"unicode"
)

// Letter is what one person is written.
type Letter struct {
	To      string `json:"to"` // fits CheckAddress
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Wire is the letter as it goes to an SMTP server (RFC 5322, RFC 2045): text in
// UTF-8 as quoted-printable, lines of CRLF, no line above 76 characters but
// headers that have no place to be folded. from fits CheckAddress. It is an error
// when an address does not; a subject is made to fit.
func (l *Letter) Wire(from string, at time.Time) ([]byte, error) {
	for _, a := range []string{from, l.To} {
		if err := CheckAddress("address", a); err != nil {
			return nil, err
		}
	}
	_, domain, _ := strings.Cut(from, "@")
	var id [16]byte
	_, _ = rand.Read(id[:])
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("Date", at.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	header("From", "<"+from+">")
	header("To", "<"+l.To+">")
	// An encoded word, folded where it is long: it cannot end a header.
	header("Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", oneLine(l.Subject)), "?= =?", "?=\r\n =?"))
	header("Message-ID", "<"+hex.EncodeToString(id[:])+"@"+domain+">")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	header("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	b.WriteString("\r\n")
	text := quotedprintable.NewWriter(&b)
	_, _ = text.Write([]byte(strings.ReplaceAll(strings.ToValidUTF8(l.Text, "\uFFFD"), "\r\n", "\n"))) // into memory
	_ = text.Close()
	if !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
		b.WriteByte('\n')
	}
	return withCRLF(b.Bytes()), nil
}

// withCRLF ends every line as SMTP wants it.
func withCRLF(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
}

// oneLine is a text without what could end a line or hide the rest.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
