package scan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/propusk/propusk/internal/cli/output"
)

// Problem is something that could not be read.
type Problem struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// Report prints findings as they come, and what there is to say at the end.
type Report interface {
	Finding(*Finding) error
	End(Totals, []Problem) error
}

// Formats are the formats of a report.
var Formats = []string{"text", "json", "sarif"}

// NewReport makes a report in one of Formats; quiet prints nothing.
func NewReport(w io.Writer, format string, quiet bool) Report {
	switch {
	case quiet:
		return silence{}
	case format == "json":
		return &jsonReport{w: w}
	case format == "sarif":
		return &sarifReport{w: w}
	}
	return Text{w}
}

type silence struct{}

func (silence) Finding(*Finding) error      { return nil }
func (silence) End(Totals, []Problem) error { return nil }

// Text is a line a finding: where, what, and what the server says.
type Text struct{ W io.Writer }

// Finding implements Report.
func (r Text) Finding(e *Finding) error {
	text := e.Where() + ": " + string(e.Kind) + " " + e.Masked
	if e.State != "" {
		text += " " + strings.ToLower(e.State)
	}
	if e.SubjectID != "" {
		text += " of " + e.SubjectID
	}
	if e.CredentialID != "" {
		text += " (" + e.CredentialID + ")"
	}
	_, err := io.WriteString(r.W, output.Printable(text)+"\n")
	return err
}

// End implements Report.
func (Text) End(Totals, []Problem) error { return nil }

// Where is the place in the form that editors and compilers know, after the
// first characters of the commit.
func (e *Finding) Where() string {
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

func (r *jsonReport) Finding(e *Finding) error {
	before := ",\n    "
	if !r.begun {
		before = "{\n  \"findings\": [\n    "
	}
	r.begun = true
	return writeJSON(r.w, before, e, "")
}

func (r *jsonReport) End(total Totals, problems []Problem) error {
	before := "\n  ],\n"
	if !r.begun {
		before = "{\n  \"findings\": [],\n"
	}
	if problems == nil {
		problems = []Problem{}
	}
	before += fmt.Sprintf("  \"files\": %d,\n  \"bytes\": %d,\n  \"allowed\": %d,\n  \"problems\": ", total.Files, total.Bytes, total.Allowed)
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
