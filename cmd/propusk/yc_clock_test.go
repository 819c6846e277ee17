package main

import (
	"bytes"
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli"
)

// TestClientClock: a machine whose clock is wrong gets its token, and is told by
// how much it is wrong, whichever way.
func TestClientClock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	for shift, want := range map[time.Duration]string{
		time.Hour + 3*time.Second:  `^WARNING: your clock differs from the server's by 1h0m[234]s \(yours is ahead\)\. Set it, or what you sign will be refused\n$`,
		-time.Hour - 3*time.Second: `by 1h0m[345]s \(yours is behind\)`,
		-20 * time.Minute:          `by 20m[01]s \(yours is behind\)`,
		20 * time.Minute:           `by (20m0s|19m59s) \(yours is ahead\)`,
		-47 * time.Hour:            `by (47h0m[01]s|46h59m59s) \(yours is behind\)`,
		-30 * 24 * time.Hour:       `(?s)^ERROR: .*differs from the server's by (720h0m[01]s|719h59m59s) \(yours is behind\)`, // nothing is signed for so far a time
		10 * time.Second:           `^$`,
	} {
		var out, errs bytes.Buffer
		code := cli.Main(context.Background(), cli.Environment{
			Environ: []string{"HOME=" + dir, "YC_ENDPOINT=" + p.grpc, "YC_SERVICE_ACCOUNT_KEY_FILE=" + filepath.Join(dir, "d", "key.json")},
			Stdin:   strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: func() time.Time { return time.Now().Add(shift) },
		}, "yc", []string{"iam", "create-token"})
		if refused := shift.Abs() > 48*time.Hour; refused != (code == 1) || refused == strings.HasPrefix(out.String(), "t1.") || !regexp.MustCompile(want).MatchString(errs.String()) {
			t.Errorf("%v: %d, %.20q, %s", shift, code, &out, &errs)
		}
	}
}
