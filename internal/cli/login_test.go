package cli_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// tree runs a command of the tree with a config file, and returns its exit code
// and what it printed.
func (f *fake) tree(t *testing.T, config string, environ []string, line string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(t.Context(), cli.Environment{Environ: append(environ, "YC_ENDPOINT="+f.endpoint, "YC_CONFIG="+config),
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: time.Now, Version: "1.2.3", Columns: 0}, "yc", strings.Fields(line))
	return code, out.String(), errs.String()
}

func config(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKeptToken: a token is exchanged once, and again when the server refuses it.
func TestKeptToken(t *testing.T) {
	f := newFake(t)
	f.created = &iampb.CreateIamTokenResponse{IamToken: goodToken, ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}
	refused := false
	f.answer = func(string, proto.Message) (proto.Message, error) {
		if refused {
			refused = false
			return nil, status.Error(codes.Unauthenticated, "The token has been revoked")
		}
		return &propuskpb.RevokeResponse{}, nil
	}
	path := config(t, "profiles: {default: {token: y0_oauth}}")
	for i, want := range [][]string{{"Create", "RevokeSubject"}, {"RevokeSubject"}, {"RevokeSubject", "Create", "RevokeSubject"}, {"RevokeSubject"}} {
		f.asked, refused = nil, i == 2
		if code, _, errs := f.tree(t, path, nil, "iam revoke --subject-id x"); code != 0 || !slices.Equal(f.asked, want) {
			t.Errorf("run %d: %d, %v, %s", i, code, f.asked, errs)
		}
	}
	// What cannot be kept is told, and works.
	path = config(t, "profiles: {default: {token: y0_oauth}}")
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "cache"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 0 || out != goodToken+"\n" || !strings.Contains(errs, "is not kept for the next command") {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
}

func TestMetadataAddress(t *testing.T) {
	f := newFake(t)
	answer := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/token" {
			answer = http.StatusForbidden
		}
		w.WriteHeader(answer)
		_, _ = w.Write([]byte(`{"access_token":"t1.meta.data","expires_in":3600,"token_type":"Bearer"}`))
	}))
	defer s.Close()
	path := config(t, "profiles: {default: {instance-service-account: true}}")
	environ := []string{"YC_METADATA_ADDR=" + strings.TrimPrefix(s.URL, "http://")}
	if code, out, errs := f.tree(t, path, environ, "iam create-token"); code != 0 || out != "t1.meta.data\n" {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
	answer = http.StatusNotFound
	if code, _, errs := f.tree(t, path, environ, "iam create-token"); code != 1 || !strings.Contains(errs, "has no service account") {
		t.Errorf("%d, %s", code, errs)
	}
}

// TestWrongClock: the server's hour is looked for, and the difference told when
// it cannot be found.
func TestWrongClock(t *testing.T) {
	f := newFake(t)
	tries := 0
	f.refuse = func() error {
		if tries++; tries <= 3 {
			return status.Error(codes.Unauthenticated, "The JWT is not valid yet: 'iat' is in the future")
		}
		return nil
	}
	environ := []string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t)}
	if code, out, errs := f.tree(t, config(t, ""), environ, "iam create-token"); code != 0 || out != goodToken+"\n" || tries != 4 {
		t.Errorf("%d after %d tries, %s, %s", code, tries, out, errs)
	}
	// A server that tells its time is asked once more, and the difference told.
	for shift, want := range map[time.Duration][2]string{
		time.Hour + 30*time.Second: {"your clock differs from the server's by 1h0m", "s (yours is behind)"},
		-36 * time.Hour:            {"your clock differs from the server's by 36h0m", "s (yours is ahead)"},
	} {
		tries = 0
		f.refuse = func() error {
			if tries++; tries == 1 {
				return status.Error(codes.Unauthenticated, "The JWT has expired: the time here is "+time.Now().Add(shift).UTC().Format(time.RFC3339))
			}
			return status.Error(codes.Unauthenticated, "The key is unknown")
		}
		code, _, errs := f.tree(t, config(t, ""), environ, "iam create-token")
		if code != 1 || tries != 2 || !strings.Contains(errs, "The key is unknown\n"+want[0]) || !strings.Contains(errs, want[1]) {
			t.Errorf("%d after %d tries, %s, want %s", code, tries, errs, want)
		}
	}
	// For a far time nothing is signed: it would be good then, in whosever hands it is.
	tries = 0
	f.refuse = func() error {
		tries++
		return status.Error(codes.Unauthenticated, "The JWT has expired: the time here is "+time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339))
	}
	if code, _, errs := f.tree(t, config(t, ""), environ, "iam create-token"); code != 1 || tries != 1 || !strings.Contains(errs, "your clock differs from the server's by 87") {
		t.Errorf("%d after %d tries, %s", code, tries, errs)
	}
	f.refuse = func() error { return status.Error(codes.Unauthenticated, "The JWT has expired") }
	if code, _, errs := f.tree(t, config(t, ""), environ, "iam create-token"); code != 1 || !strings.Contains(errs, "and differs from the server's") {
		t.Errorf("%d, %s", code, errs)
	}
}

func TestRetries(t *testing.T) {
	f := newFake(t)
	left := 2
	f.answer = func(string, proto.Message) (proto.Message, error) {
		if left--; left >= 0 {
			return nil, status.Error(codes.Unavailable, "not now")
		}
		return &propuskpb.RevokeResponse{}, nil
	}
	environ := []string{"YC_IAM_TOKEN=" + goodToken}
	if code, _, errs := f.tree(t, config(t, ""), environ, "iam revoke --subject-id x"); code != 0 || len(f.asked) != 3 {
		t.Errorf("%d, %v, %s", code, f.asked, errs)
	}
	f.asked, left = nil, 1
	if code, _, errs := f.tree(t, config(t, ""), environ, "iam revoke --subject-id x --retry 0"); code != 1 || len(f.asked) != 1 ||
		!strings.HasPrefix(errs, "ERROR: rpc error: code = Unavailable desc = not now\n\n\nserver-request-id: req-1\nclient-request-id: ") {
		t.Errorf("%d, %v, %s", code, f.asked, errs)
	}
}

func TestNarrowHelp(t *testing.T) {
	var out bytes.Buffer
	code := cli.Main(t.Context(), cli.Environment{Stdout: &out, Stderr: &out, Now: time.Now, Columns: 40}, "yc", []string{"iam", "service-account", "--help"})
	if code != 0 || !strings.Contains(out.String(), "list-access-bindings") {
		t.Errorf("%d, %s", code, &out)
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "  ") && len(strings.TrimRight(line, "\n")) > 40 {
			t.Errorf("wider than 40 columns: %q", line)
		}
	}
}
