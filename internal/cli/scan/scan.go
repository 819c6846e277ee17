// Package scan finds credentials in files, in git's history and in streams, and
// writes down what it found. It asks nobody whether they work, and what it reports
// holds none of them.
package scan

import (
	"context"
	"fmt"
	"io"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
)

// Finding is a credential that was found. It does not hold the credential.
type Finding struct {
	Kind        leak.Kind `json:"kind"`
	Masked      string    `json:"masked"`
	Fingerprint string    `json:"fingerprint"`
	Path        string    `json:"path"`
	Commit      string    `json:"commit,omitempty"` // the first that holds it
	Line        int       `json:"line"`
	Column      int       `json:"column"`
	Offset      int64     `json:"offset"`

	excluded bool // as far as is known, every path that it has is skipped

	// What the server says; empty when it was not asked.
	State        string `json:"state,omitempty"`
	SubjectID    string `json:"subject_id,omitempty"`
	CredentialID string `json:"credential_id,omitempty"`
	Revoked      bool   `json:"revoked,omitempty"`
}

// Secret is what a server may be asked about.
type Secret struct {
	Kind leak.Kind
	Text iam.Secret
}

// Totals are what a scan has gone through.
type Totals struct {
	Files, Bytes, Allowed int64
}

// Scanner is one scan. Its fields are settled before Look and read after it.
type Scanner struct {
	Exclude []string  // globs, see CheckGlob
	MaxSize ByteCount // files larger than this are skipped; 0 for no bound
	Environ []string  // git's
	Stdin   io.Reader // the PATH "-"; one that can be closed is, to end a read that waits
	// Trouble hears of what could not be read. Called by one goroutine at a time.
	Trouble func(path string, err error)

	Keep    bool              // keep what was found, for a server to be asked
	Secrets map[string]Secret // by fingerprint, when Keep says so
	Total   Totals
}

// Look scans a file, a folder and all below it, or standard input ("-"), and with
// history all that the refs of the git repository there lead to. emit gets the
// findings in order; its error ends the scan. Other errors are *Misuse and the
// context's.
func (s *Scanner) Look(ctx context.Context, path string, history bool, emit func(*Finding) error) error {
	if path == "-" {
		return s.scanInput(ctx, emit)
	}
	ignore, err := s.ignoreAt(path)
	if err != nil {
		return err
	}
	if err := s.walk(ctx, path, ignore, emit); err != nil || !history {
		return err
	}
	return s.scanHistory(ctx, path, ignore, emit)
}

// Misuse is an error of who named what to scan.
type Misuse struct{ text string }

func (m *Misuse) Error() string { return m.text }

// misuse makes one of texts that may hold anything.
func misuse(format string, args ...any) error {
	return &Misuse{output.Printable(fmt.Sprintf(format, args...))}
}
