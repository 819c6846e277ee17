package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/propusk/propusk/internal/cli/output"
)

// reporter prints findings as they come, and what there is to say at the end.
type reporter interface {
	finding(e *exposure) error
	end(s *scan) error
}

func (s *scan) reporter() reporter {
	switch {
	case s.quiet:
		return silence{}
	case s.format == "json":
		return &jsonReport{w: s.env.Stdout}
	case s.format == "sarif":
		return &sarifReport{w: s.env.Stdout}
	}
	return &textReport{w: s.env.Stdout}
}

type silence struct{}

func (silence) finding(*exposure) error { return nil }
func (silence) end(*scan) error         { return nil }

// textReport is a line a finding: where, what, and what the server says.
type textReport struct{ w io.Writer }

func (r *textReport) finding(e *exposure) error {
	text := e.where() + ": " + string(e.Kind) + " " + e.Masked
	if e.State != "" {
		text += " " + strings.ToLower(e.State)
	}
	if e.SubjectID != "" {
		text += " of " + e.SubjectID
	}
	if e.CredentialID != "" {
		text += " (" + e.CredentialID + ")"
	}
	_, err := io.WriteString(r.w, printable(text)+"\n")
	return err
}

func (r *textReport) end(*scan) error { return nil }

// where is the place in the form that editors and compilers know, after the
// first characters of the commit.
func (e *exposure) where() string {
	text := e.Path + ":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column)
	if e.Commit != "" {
		text = e.Commit[:min(12, len(e.Commit))] + ":" + text
	}
	return text
}

// jsonReport is one document, {"findings": […], …}.
type jsonReport struct {
	w     io.Writer
	begun bool
}

func (r *jsonReport) finding(e *exposure) error {
	before := ",\n    "
	if !r.begun {
		before = "{\n  \"findings\": [\n    "
	}
	r.begun = true
	return writeJSON(r.w, before, e, "")
}

func (r *jsonReport) end(s *scan) error {
	before := "\n  ],\n"
	if !r.begun {
		before = "{\n  \"findings\": [],\n"
	}
	problems := s.problems
	if problems == nil {
		problems = []problem{}
	}
	before += fmt.Sprintf("  \"files\": %d,\n  \"bytes\": %d,\n  \"allowed\": %d,\n  \"problems\": ", s.total.Files, s.total.Bytes, s.total.Allowed)
	return writeJSON(r.w, before, problems, "\n}\n")
}

// writeJSON writes a value on one line, between two texts. Nothing of it moves
// a terminal's cursor.
func writeJSON(w io.Writer, before string, v any, after string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	text := strings.TrimSuffix(b.String(), "\n")
	_, err := io.WriteString(w, before+output.EscapeJSON(text)+after)
	return err
}
