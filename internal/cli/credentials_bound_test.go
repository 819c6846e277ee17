package cli_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// TestAnotherServerGetsNothing: what a profile has proves the person to the
// profile's own server, whatever a flag or a variable names.
func TestAnotherServerGetsNothing(t *testing.T) {
	own, evil, p := cloud(t), newFake(t), newPages(t)
	evil.answer = func(string, proto.Message) (proto.Message, error) { return &propuskpb.RevokeResponse{}, nil }
	own.answer = evil.answer
	key := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(key, []byte(keyText(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"access_token":"t1.meta.data","expires_in":3600,"token_type":"Bearer"}`))
	}))
	defer machine.Close()
	metadata := "YC_METADATA_ADDR=" + strings.TrimPrefix(machine.URL, "http://")
	signedIn := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := own.begin(t, signedIn, "1\n", "--federation-endpoint", p.URL); code != 0 {
		t.Fatal(text)
	}
	withKey := config(t, "")
	for _, line := range []string{"config set service-account-key " + key, "config set endpoint " + own.endpoint} {
		if code, _, errs := own.tree(t, withKey, nil, line); code != 0 {
			t.Fatal(errs)
		}
	}
	own.asked = nil
	for name, path := range map[string]string{
		"sign-in": signedIn,
		"key":     withKey,
		"OAuth":   config(t, "profiles: {default: {token: y0_oauth, endpoint: '"+own.endpoint+"'}}"),
		"IAM":     config(t, "profiles: {default: {token: t1.a.b, endpoint: '"+own.endpoint+"'}}"),
		"machine": config(t, "profiles: {default: {instance-service-account: true, endpoint: '"+own.endpoint+"'}}"),
	} {
		for _, c := range []struct{ source, flag string }{{"$YC_ENDPOINT", ""}, {"--endpoint", " --endpoint " + evil.endpoint}} {
			for _, line := range []string{"iam revoke --subject-id x", "iam create-token", "iam create-token --impersonate-service-account-id ajesa"} {
				code, out, errs := evil.tree(t, path, []string{metadata}, line+c.flag)
				if code != 2 || out != "" || !strings.Contains(errs, `profile "default"`) || !strings.Contains(errs, own.endpoint) || !strings.Contains(errs, c.source) {
					t.Errorf("%s, %s by %s: %d, %s, %s", name, line, c.source, code, out, errs)
				}
			}
		}
		if code, _, errs := own.tree(t, path, []string{metadata}, "iam revoke --subject-id x"); code != 0 {
			t.Errorf("%s: its own server: %d, %s", name, code, errs)
		}
	}
	if len(evil.asked) > 0 {
		t.Errorf("the other server was asked %v", evil.asked)
	}
	// What is said outright goes where it is said.
	if code, _, errs := evil.tree(t, signedIn, []string{"YC_IAM_TOKEN=" + goodToken}, "iam revoke --subject-id x"); code != 0 {
		t.Errorf("%d, %s", code, errs)
	}
	// A sign-in belongs to the server that it was made at, though the profile names another, or none.
	for _, line := range []string{"config set endpoint " + evil.endpoint, "config unset endpoint"} {
		if code, _, errs := evil.tree(t, signedIn, nil, line); code != 0 {
			t.Fatal(errs)
		}
		evil.asked = nil
		if code, out, errs := evil.tree(t, signedIn, nil, "iam create-token"); code != 2 || out != "" || !strings.Contains(errs, "init") || len(evil.asked) > 0 {
			t.Errorf("after %s: %d, %s, %s, asked %v", line, code, out, errs, evil.asked)
		}
	}
}

// TestServerOfItsOwnAudience: one that does not take what is meant for the public
// cloud gets a JWT that is meant for it.
func TestServerOfItsOwnAudience(t *testing.T) {
	f := newFake(t)
	var meant []string
	f.refuse = func() error {
		jwt := f.requests[len(f.requests)-1].(*iampb.CreateIamTokenRequest).GetJwt()
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
		if err != nil {
			return err
		}
		meant = append(meant, string(claims))
		if len(meant) == 1 {
			return status.Error(codes.Unauthenticated, "The JWT is meant for another audience: 'aud' names none of this server's")
		}
		return nil
	}
	code, out, errs := f.tree(t, config(t, ""), []string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t)}, "iam create-token")
	own := fmt.Sprintf(`"aud":"https://%s/iam/v1/tokens"`, f.endpoint)
	if code != 0 || out != goodToken+"\n" || len(meant) != 2 || strings.Contains(meant[0], own) || !strings.Contains(meant[1], own) {
		t.Errorf("%d, %s, %s, %q", code, out, errs, meant)
	}
	f.refuse = func() error {
		return status.Error(codes.Unauthenticated, "The JWT is meant for another audience: 'aud' names none of this server's")
	}
	f.asked = nil
	if code, _, errs := f.tree(t, config(t, ""), []string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t)}, "iam create-token"); code != 1 || len(f.asked) != 2 || !strings.Contains(errs, "another audience") {
		t.Errorf("%d after %d, %s", code, len(f.asked), errs)
	}
}

// TestTokensAreOfWhatTheyWereMadeOf: a token that is kept is of one server, of one
// credential, and of one account that it acts as.
func TestTokensAreOfWhatTheyWereMadeOf(t *testing.T) {
	a, b := newFake(t), newFake(t)
	ends := timestamppb.New(time.Now().Add(time.Hour))
	for f, name := range map[*fake]string{a: "a", b: "b"} {
		f.created = &iampb.CreateIamTokenResponse{IamToken: "t1.of." + name, ExpiresAt: ends}
		f.answer = func(string, proto.Message) (proto.Message, error) {
			return &iampb.CreateIamTokenResponse{IamToken: "t1.as." + name, ExpiresAt: ends}, nil
		}
	}
	path := config(t, "profiles: {default: {token: y0_first}}")
	expect := func(f *fake, line, want string) {
		t.Helper()
		if code, out, errs := f.tree(t, path, nil, line); code != 0 || out != want+"\n" {
			t.Errorf("%s: %d, %s, %s, want %s", line, code, out, errs, want)
		}
	}
	expect(a, "iam create-token", "t1.of.a")
	expect(b, "iam create-token", "t1.of.b")
	expect(a, "iam create-token --impersonate-service-account-id ajesa", "t1.as.a")
	expect(a, "iam create-token", "t1.of.a")
	if code, _, errs := a.tree(t, path, nil, "config set token y0_second"); code != 0 {
		t.Fatal(errs)
	}
	a.created.IamToken = "t1.of.another"
	expect(a, "iam create-token", "t1.of.another")
}

// TestPagesOfAnotherServer: init at another server signs nobody in at the pages
// of the profile's.
func TestPagesOfAnotherServer(t *testing.T) {
	own, other, p := cloud(t), cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := own.begin(t, path, "1\n", "--federation-endpoint", p.URL); code != 0 {
		t.Fatal(text)
	}
	if code, text, _ := other.begin(t, path, "1\n1\n"); code != 1 || !strings.Contains(text, "where people sign in, at http://"+other.endpoint) || p.made != 1 {
		t.Errorf("%d, %s", code, text)
	}
}

// TestSignedInElsewhereMeanwhile: a command that waits for another one's sign-in
// takes it only when it is one at its own server.
func TestSignedInElsewhereMeanwhile(t *testing.T) {
	f := cloud(t)
	path := config(t, "profiles: {default: {federation-id: fed1}}")
	signIns := profile.SignInsOf(path, nil)
	done, alone := signIns.Hold("default")
	if !alone {
		t.Fatal("somebody has it")
	}
	go func() {
		defer done()
		time.Sleep(200 * time.Millisecond) // the command has found none
		in, err := profile.NewSignIn("http://127.0.0.1:1", false)
		if err != nil {
			t.Error(err)
			return
		}
		in.Endpoint, in.Federation, in.RefreshToken = "iam.example.com:443", "fed1", iam.NewSecret("rt1.x")
		if err := signIns.Put("default", in); err != nil {
			t.Error(err)
		}
	}()
	if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 2 || out != "" || !strings.Contains(errs, "is for iam.example.com:443, and is not sent to "+f.endpoint) {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
}

// TestMetadataAddressSendsElsewhere: no other address is asked in its place.
func TestMetadataAddressSendsElsewhere(t *testing.T) {
	f := newFake(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/elsewhere" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"t1.meta.data","expires_in":3600,"token_type":"Bearer"}`))
	}))
	defer s.Close()
	path := config(t, "profiles: {default: {instance-service-account: true}}")
	if code, out, errs := f.tree(t, path, []string{"YC_METADATA_ADDR=" + strings.TrimPrefix(s.URL, "http://")}, "iam create-token"); code != 1 || out != "" || !strings.Contains(errs, "302") {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
}
