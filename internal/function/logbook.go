package function

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/propusk/propusk/internal/iam"
)

// Logbook is where a function's processes print. Tokens that were handed to them
// are not written out, because logs of CI are read by many: handlers are fond of
// printing their context. It is safe for concurrent use.
type Logbook struct {
	mu      sync.Mutex
	out     io.Writer
	secrets [][]byte // the last ones, which a process may still hold
}

const mostSecrets = 8

// NewLogbook makes one that is written to out.
func NewLogbook(out io.Writer) *Logbook { return &Logbook{out: out} }

// Hide has a token that a process is given not be shown from now on.
func (l *Logbook) Hide(s iam.Secret) {
	text := []byte(s.Reveal())
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(text) == 0 || slices.ContainsFunc(l.secrets, func(known []byte) bool { return bytes.Equal(known, text) }) {
		return
	}
	l.secrets = append(l.secrets, text)
	if len(l.secrets) > mostSecrets {
		l.secrets = slices.Clone(l.secrets[1:])
	}
}

func (l *Logbook) printf(format string, args ...any) {
	p := l.printer()
	_, _ = fmt.Fprintf(p, format, args...)
	p.flush()
}

// printer hides secrets in one stream of text, however that is cut into pieces.
func (l *Logbook) printer() *printer { return &printer{log: l} }

type printer struct {
	log  *Logbook
	held []byte // the end of what came, which may be a secret's beginning
}

var stars = []byte("*** hidden ***")

// Write implements io.Writer. It fails when the log's writer does.
func (p *printer) Write(text []byte) (int, error) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	all := append(p.held, text...)
	for _, s := range p.log.secrets {
		all = bytes.ReplaceAll(all, s, stars)
	}
	keep := 0
	for _, s := range p.log.secrets {
		keep = max(keep, overlap(all, s))
	}
	_, err := p.log.out.Write(all[:len(all)-keep])
	p.held = slices.Clone(all[len(all)-keep:])
	return len(text), err
}

// flush writes what was held back: nothing follows.
func (p *printer) flush() {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	_, _ = p.log.out.Write(p.held)
	p.held = nil
}

// conceal is a text without the tokens that are hidden.
func (l *Logbook) conceal(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.secrets {
		text = strings.ReplaceAll(text, string(s), string(stars))
	}
	return text
}

// concealed is a failure whose texts hold no token: an error quotes what it is
// about, and is read by more people than an answer is.
func (l *Logbook) concealed(f *Failure) *Failure {
	out := *f
	out.Message, out.Type, out.Stack = l.conceal(f.Message), l.conceal(f.Type), slices.Clone(f.Stack)
	for i, line := range out.Stack {
		out.Stack[i] = l.conceal(line)
	}
	return &out
}

// overlap is how many bytes at the end of text begin a secret.
func overlap(text, secret []byte) int {
	for n := min(len(text), len(secret)-1); n > 0; n-- {
		if bytes.HasSuffix(text, secret[:n]) {
			return n
		}
	}
	return 0
}
