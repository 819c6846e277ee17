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

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

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
