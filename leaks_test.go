package propusk_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli"
)

// TestNoCredentialsStandHere scans this repository, as `propusk scan` does.
// What is meant to be there is in .propuskignore.
func TestNoCredentialsStandHere(t *testing.T) {
	var out, log bytes.Buffer
	err := cli.Scan(t.Context(), cli.Environment{Stdin: &bytes.Buffer{}, Stdout: &out, Stderr: &log, Now: time.Now}, false, []string{"--format", "json", "."})
	if err != nil {
		t.Errorf("%v: %s%s", err, log.Bytes(), out.Bytes())
	}
	var report struct{ Files int }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Files < 500 {
		t.Errorf("only %d files were read; what does .propuskignore pass over?", report.Files)
	}
}
