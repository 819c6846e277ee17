//go:build unix

package function_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
)

// TestToolsGetNoCredentials: what finds an interpreter, and what builds a program,
// knows nothing of who the caller is.
func TestToolsGetNoCredentials(t *testing.T) {
	needs(t, "sh")
	dir := t.TempDir()
	for _, name := range []string{"YC_TOKEN", "YC_IAM_TOKEN", "YC_SERVICE_ACCOUNT_KEY_FILE", "PROPUSK_MASTER", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "do-not-tell")
	}
	for tool, handler := range map[string]string{"python3": write(t, "fn.py", ""), "node": write(t, "fn.js", ""), "go": filepath.Dir(write(t, "fn.go", "package main\n"))} {
		told := filepath.Join(dir, tool+".env")
		if err := os.WriteFile(filepath.Join(dir, tool), []byte("#!/bin/sh\nenv >"+told+"\nexit 1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		h, err := function.Find([]string{handler}, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		f := function.Function{Handler: h, Memory: 1, Timeout: time.Second, Instances: 1, Log: function.NewLogbook(&book{}), Now: time.Now}
		if r, err := function.Start(t.Context(), f); err == nil {
			r.Close() // by another name: python, nodejs
		}
		text, err := os.ReadFile(told)
		if err != nil || !strings.Contains(string(text), "PATH=") || strings.Contains(string(text), "do-not-tell") {
			t.Errorf("%s: %v\n%s", tool, err, text)
		}
	}
}
