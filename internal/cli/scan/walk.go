package scan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
)

// fingerprintBytes is how much of the SHA-256 of a kind and a credential tells
// it from others. Every kind holds at least 160 random bits, so its hash gives
// nothing away.
const fingerprintBytes = 16

func fingerprint(kind leak.Kind, text string) string {
	if kind == leak.AuthorizedKey {
		text = leak.PublicHalf(text) // one key, however its lines are written
	}
	sum := sha256.Sum256([]byte(string(kind) + "\x00" + text))
	return hex.EncodeToString(sum[:fingerprintBytes])
}

// mostInFile bounds what one file may hold, so that a file of nothing else
// cannot fill the memory.
const mostInFile = 10_000

// searched is one text that was gone through.
type searched struct {
	name    string // as shown
	found   []*Finding
	secrets map[string]Secret
	bytes   int64
	allowed int64
	err     error
}

// search goes through one text.
func (s *Scanner) search(scanner *leak.Scanner, r io.Reader, name string, ignore *ignored) *searched {
	out := &searched{name: name}
	n, err := scanner.Scan(r, func(f leak.Finding) {
		text := string(f.Text)
		print := fingerprint(f.Kind, text)
		if f.Allowed || ignore.fingerprints[print] {
			out.allowed++
			return
		}
		if len(out.found) == mostInFile {
			out.err = fmt.Errorf("holds more than %d credentials; the rest is not listed", mostInFile)
			return
		}
		if s.Keep {
			if out.secrets == nil {
				out.secrets = map[string]Secret{}
			}
			out.secrets[print] = Secret{Kind: f.Kind, Text: iam.NewSecret(text)}
		}
		out.found = append(out.found, &Finding{Kind: f.Kind, Masked: leak.Mask(f.Kind, text), Fingerprint: print,
			Path: name, Line: f.Line, Column: f.Column, Offset: f.Offset})
	})
	out.bytes = n
	if err != nil {
		out.err = err
	}
	return out
}

// take counts what was searched and passes on what was found.
func (s *Scanner) take(r *searched, emit func(*Finding) error) error {
	s.Total.Files++
	s.Total.Bytes += r.bytes
	s.Total.Allowed += r.allowed
	if r.err != nil {
		s.Trouble(r.name, r.err)
	}
	for print, secret := range r.secrets {
		if s.Secrets == nil {
			s.Secrets = map[string]Secret{}
		}
		s.Secrets[print] = secret
	}
	for _, e := range r.found {
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *Scanner) scanInput(ctx context.Context, emit func(*Finding) error) error {
	stop := context.AfterFunc(ctx, func() {
		if f, ok := s.Stdin.(io.Closer); ok {
			_ = f.Close() // ends a read that waits
		}
	})
	defer stop()
	found := s.search(new(leak.Scanner), s.Stdin, "-", &ignored{})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.take(found, emit)
}

// walk goes through a file, or a folder and all below it: names in byte order,
// findings in the order of the files, whoever is done first.
func (s *Scanner) walk(ctx context.Context, root string, ignore *ignored, emit func(*Finding) error) error {
	if _, err := os.Stat(root); err != nil {
		return misuse("%s", err.Error())
	}
	t, err := openTree(root)
	if err != nil {
		s.Trouble(root, err)
		return nil
	}
	defer t.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	type job struct {
		rel  string
		done chan *searched
	}
	work, order := make(chan *job), make(chan *job, 64*workers)
	for range workers {
		go func() {
			var scanner leak.Scanner
			for j := range work {
				j.done <- s.searchFile(&scanner, t, j.rel, ignore)
			}
		}()
	}
	var walked error
	go func() {
		defer close(order)
		defer close(work)
		walked = t.walk(ignore, func(rel string, err error) error {
			j := &job{rel, make(chan *searched, 1)}
			select {
			case order <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err != nil {
				j.done <- &searched{name: t.shown(rel), err: err}
				return nil
			}
			select {
			case work <- j:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	for j := range order {
		select {
		case r := <-j.done:
			if r == nil {
				continue
			}
			if err := s.take(r, emit); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return walked
}

func (s *Scanner) searchFile(scanner *leak.Scanner, t *tree, rel string, ignore *ignored) *searched {
	path := t.shown(rel)
	f, err := t.open(rel)
	if err != nil {
		return &searched{name: path, err: err}
	}
	defer f.Close()
	if s.MaxSize > 0 {
		if info, err := f.Stat(); err != nil || info.Size() > int64(s.MaxSize) {
			if err != nil {
				return &searched{name: path, err: err}
			}
			return nil
		}
	}
	return s.search(scanner, f, path, ignore)
}
