package leak

import (
	"bytes"
	"errors"
	"io"
)

// Finding is a credential in a text that is read piece by piece.
type Finding struct {
	Kind Kind
	// Text is the credential itself, until the function that got the finding
	// returns. It is a secret.
	Text         []byte
	Offset       int64 // of its first byte
	Line, Column int   // of its first character, from 1; a column is one Unicode character
	// Allowed: the word AllowMark follows on the line where the credential ends.
	Allowed bool
}

// AllowMark, written behind a credential on its line, within 1,024 bytes, says
// that it may stand there: a test's, or one that ended long ago.
const AllowMark = "propusk:allow"

const (
	allowWithin = 1024
	overlap     = AuthorizedKeyMost + allowWithin
	window      = 256 << 10 // small enough to stay in the processor's cache
)

// Scanner searches texts of any length in a fixed amount of memory. It finds
// what Find finds. It is for one goroutine at a time; its zero value is ready.
type Scanner struct {
	buffer []byte
}

// Scan searches what a reader gives. It returns how many bytes it read, and the
// reader's error; what was read until then has been searched.
func (s *Scanner) Scan(r io.Reader, yield func(Finding)) (int64, error) {
	if s.buffer == nil {
		s.buffer = make([]byte, window)
	}
	b, n, from := s.buffer, 0, 0
	at := place{line: 1, column: 1} // of b[0]
	for {
		more, err := io.ReadFull(r, b[n:])
		n += more
		text, limit := b[:n], n
		if err == nil {
			limit = n - overlap
		}
		seen, position := 0, at
		from = find(text, from, limit, func(m Match) {
			position.pass(text[seen:m.Start])
			seen = m.Start
			yield(Finding{m.Kind, text[m.Start:m.End], position.offset, position.line, position.column, allowed(text[m.End:])})
		})
		if err != nil {
			at.offset += int64(n)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return at.offset, err
		}
		from = max(from, limit)
		drop := from - context
		at.pass(text[:drop])
		n = copy(b, text[drop:])
		from -= drop
	}
}

func allowed(rest []byte) bool {
	rest = rest[:min(len(rest), allowWithin)]
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	return bytes.Contains(rest, []byte(AllowMark))
}

// place is where in a text something stands.
type place struct {
	offset       int64
	line, column int
}

// pass moves behind a piece of the text.
func (p *place) pass(text []byte) {
	p.offset += int64(len(text))
	if n := bytes.Count(text, []byte{'\n'}); n > 0 {
		p.line += n
		p.column = 1
		text = text[bytes.LastIndexByte(text, '\n')+1:]
	}
	for _, c := range text {
		if c&0xC0 != 0x80 { // not within a character of UTF-8
			p.column++
		}
	}
}
