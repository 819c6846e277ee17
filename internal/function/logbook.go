package function

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/propusk/propusk/internal/iam"
)

// logbook is where a function's processes print. Tokens that were handed to them
// are not written out, because logs of CI are read by many: handlers are fond of
// printing their context.
type logbook struct {
	mu      sync.Mutex
	out     io.Writer
	secrets [][]byte // the last ones, which a process may still hold
}

const mostSecrets = 8

func (l *logbook) hide(s iam.Secret) {
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

func (l *logbook) printf(format string, args ...any) {
	p := l.printer()
	_, _ = fmt.Fprintf(p, format, args...)
	p.flush()
}

// printer hides secrets in one stream of text, however that is cut into pieces.
func (l *logbook) printer() *printer { return &printer{log: l} }

type printer struct {
	log  *logbook
	held []byte // the end of what came, which may be a secret's beginning
}

var concealed = []byte("*** hidden ***")

// Write implements io.Writer. It fails when the log's writer does.
func (p *printer) Write(text []byte) (int, error) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	all := append(p.held, text...)
	for _, s := range p.log.secrets {
		all = bytes.ReplaceAll(all, s, concealed)
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

// overlap is how many bytes at the end of text begin a secret.
func overlap(text, secret []byte) int {
	for n := min(len(text), len(secret)-1); n > 0; n-- {
		if bytes.HasSuffix(text, secret[:n]) {
			return n
		}
	}
	return 0
}
