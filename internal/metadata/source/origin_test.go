package source_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/metadata/source"
	"github.com/propusk/propusk/propusktest"
	"github.com/propusk/propusk/token"
)

func client(t *testing.T, s *propusktest.Server) *iamclient.Client {
	t.Helper()
	c, err := iamclient.Dial(iamclient.Options{Endpoint: s.Endpoint, Plaintext: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func renewer(t *testing.T, o source.Origin, keys source.Keys) *source.Renewer {
	t.Helper()
	r, err := source.NewRenewer(o, keys, source.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// newKey makes another authorized key of the account, and what deletes it.
func newKey(t *testing.T, s *propusktest.Server) (text []byte, remove func()) {
	t.Helper()
	var made struct {
		Key        struct{ ID, PublicKey string }
		PrivateKey string
	}
	r := s.Do(t, "POST", s.AdminToken(t), "/iam/v1/keys", map[string]string{"serviceAccountId": s.ServiceAccountID})
	if r.Code != 200 {
		t.Fatalf("a new key: %d %s", r.Code, r.Body)
	}
	r.Decode(t, &made)
	f := keyfile.File{ID: made.Key.ID, ServiceAccountID: s.ServiceAccountID, CreatedAt: time.Now(), Algorithm: iam.RSA2048,
		PublicKey: made.Key.PublicKey, PrivateKey: iam.NewSecret(made.PrivateKey)}
	return f.Encode(), func() {
		if r := s.Do(t, "DELETE", s.AdminToken(t), "/iam/v1/keys/"+made.Key.ID, nil); r.Code != 200 {
			t.Fatalf("delete a key: %d %s", r.Code, r.Body)
		}
	}
}

func works(t *testing.T, s *propusktest.Server, token iam.Secret) bool {
	t.Helper()
	return s.Get(t, token.Reveal(), "/iam/v1/serviceAccounts/"+s.ServiceAccountID).Code == 200
}

// A key is rotated by replacing its file; what is no key file changes nothing.
func TestKeyFileIsRotated(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	first, remove := newKey(t, s)
	path := filepath.Join(t.TempDir(), "key.json")
	write(t, path, first)
	o, err := source.NewKeyFile(client(t, s), path)
	if err != nil {
		t.Fatal(err)
	}
	if o.ServiceAccountID() != s.ServiceAccountID || o.Broken() != nil {
		t.Errorf("%s, broken %v", o.ServiceAccountID(), o.Broken())
	}
	for _, broken := range []string{"", "{}", string(first[:len(first)/2]), strings.Repeat("x", 70<<10)} {
		before := o.Version()
		write(t, path, []byte(broken))
		now := o.Version()
		if now == before || now == "" {
			t.Errorf("%.10q: the change was not noticed", broken)
		}
		if got, err := o.Make(t.Context()); err != nil || !works(t, s, got.Text) {
			t.Errorf("%.10q in the file: %v, want a token of the old key", broken, err)
		}
		if o.Broken() == nil || o.Version() != now {
			t.Errorf("%.10q: broken %v, %q and then %q; want it known, and not to be read for ever", broken, o.Broken(), now, o.Version())
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, err := o.Make(t.Context()); err != nil || !works(t, s, got.Text) || o.Version() != "" {
		t.Errorf("no file: %v, want a token of the old key", err)
	}
	second, _ := newKey(t, s)
	remove()
	if _, err := o.Make(t.Context()); !iamclient.Definite(err) {
		t.Errorf("a deleted key: %v, want a refusal", err)
	}
	write(t, path, second)
	if got, err := o.Make(t.Context()); err != nil || !works(t, s, got.Text) || o.Broken() != nil {
		t.Errorf("the new key: %v, %v", err, o.Broken())
	}
}

// A running address takes up a rotated key by itself, and ceases to serve when
// there is no good key any more.
func TestRotationIsTakenUp(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it takes 10 s")
	}
	s := propusktest.New(t)
	first, remove := newKey(t, s)
	second, _ := newKey(t, s)
	path := filepath.Join(t.TempDir(), "key.json")
	write(t, path, first)
	c := client(t, s)
	o, err := source.NewKeyFile(c, path)
	if err != nil {
		t.Fatal(err)
	}
	r, other := renewer(t, o, c.Ephemeral), renewer(t, o, nil)
	for _, r := range []*source.Renewer{r, other} {
		if got, err := r.Token(t.Context()); err != nil || !works(t, s, got.Text) {
			t.Fatal(err)
		}
	}
	before, err := r.AccessKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, second)
	remove()
	deadline := time.Now().Add(10 * time.Second)
	for _, r := range []*source.Renewer{r, other} {
		for {
			got, err := r.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if works(t, s, got.Text) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("10 s after the key was replaced its tokens are not served")
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	// What was made with the former key has ended with it.
	key, err := r.AccessKey(t.Context())
	if err != nil || time.Until(key.ExpiresAt) < 5*time.Hour || key.ID == before.ID {
		t.Errorf("access key: %v until %v, the former one: %t", err, key.ExpiresAt, key.ID == before.ID)
	}
}

// either is an origin whose tokens become those of another account.
type either struct {
	source.Origin
	then   source.Origin
	turned atomic.Bool
}

func (e *either) Make(ctx context.Context) (iamclient.Token, error) {
	if e.turned.Load() {
		return e.then.Make(ctx)
	}
	return e.Origin.Make(ctx)
}

// Tokens and access keys are of the same account.
func TestOriginIsOfAnotherAccount(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	c := client(t, s)
	of := func(text []byte) source.Origin {
		path := filepath.Join(t.TempDir(), "key.json")
		write(t, path, text)
		o, err := source.NewKeyFile(c, path)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	o := &either{Origin: of(s.Key), then: of(s.AdminKey)}
	var ahead atomic.Int64 // of the monotonic clock
	r, err := source.NewRenewerAt(o, c.Ephemeral, source.Policy{}, func() time.Duration { return time.Since(epoch) + time.Duration(ahead.Load()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if got, err := r.Token(t.Context()); err != nil || whose(t, got.Text) != s.ServiceAccountID {
		t.Fatal(err)
	}
	ahead.Store(int64(7 * time.Minute)) // the key is due later than the token
	mine, err := r.AccessKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o.turned.Store(true)
	ahead.Store(int64(13 * time.Minute))
	for end := time.Now().Add(10 * time.Second); ; {
		got, err := r.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if whose(t, got.Text) != s.ServiceAccountID {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the other account is not taken up")
		}
	}
	if key, err := r.AccessKey(t.Context()); err != nil || key.ID == mine.ID {
		t.Errorf("the token is of another account, and the access key of the former: %v", err)
	}
}

func TestKeyFileIsMissingAtStart(t *testing.T) {
	folder := t.TempDir()
	broken := filepath.Join(folder, "broken.json")
	write(t, broken, []byte("{"))
	for _, path := range []string{filepath.Join(folder, "none.json"), folder, broken} {
		if _, err := source.NewKeyFile(nil, path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestImpersonated(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	c := client(t, s)
	path := filepath.Join(t.TempDir(), "key.json")
	write(t, path, s.AdminKey)
	admin, err := source.NewKeyFile(c, path)
	if err != nil {
		t.Fatal(err)
	}
	r := renewer(t, &source.Impersonated{Origin: admin, Account: s.ServiceAccountID, As: c.ForServiceAccount}, c.Ephemeral)
	got, err := r.Token(t.Context())
	if err != nil || !works(t, s, got.Text) || r.ServiceAccountID() != s.ServiceAccountID {
		t.Fatalf("%v of %s", err, r.ServiceAccountID())
	}
	if whose := whose(t, got.Text); whose != s.ServiceAccountID {
		t.Errorf("the token is of %s, want %s", whose, s.ServiceAccountID)
	}
	if _, err := r.AccessKey(t.Context()); err != nil {
		t.Errorf("access key: %v", err)
	}
	write(t, path, s.Key)
	own, err := source.NewKeyFile(c, path)
	if err != nil {
		t.Fatal(err)
	}
	denied := renewer(t, &source.Impersonated{Origin: own, Account: s.AdminID, As: c.ForServiceAccount}, nil)
	if _, err := denied.Token(t.Context()); !errors.Is(err, source.ErrNoAccount) {
		t.Errorf("without the right to act for it: %v, want ErrNoAccount", err)
	}
}

// whose is the account of a token, as the token tells.
func whose(t *testing.T, text iam.Secret) string {
	t.Helper()
	claims, err := token.ParseUnverified(text.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return claims.SubjectID
}

func TestWorkload(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	e, err := iamclient.NewExchanger(iamclient.ExchangerOptions{URL: s.HTTPURL})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "token")
	o := &source.Workload{Exchanger: e, Subject: source.TokenFile(path), Type: iamclient.TypeJWT}
	for name, text := range map[string]string{"none": "", "blank": " \n", "two lines": "a\nb", "long": strings.Repeat("a", 70<<10)} {
		if text != "" {
			write(t, path, []byte(text))
		}
		if _, err := o.Make(t.Context()); !errors.Is(err, iam.Unavailable) {
			t.Errorf("%s: %v, want UNAVAILABLE", name, err)
		}
		_ = os.Remove(path)
	}
	for range 2 { // another one each time, as kubelet writes it
		write(t, path, []byte(propusktest.JWT(t, s.Key)+"\n"))
		if got, err := o.Make(t.Context()); err != nil || !works(t, s, got.Text) {
			t.Errorf("a service account's own JWT: %v", err)
		}
	}
	// A token of another issuer, of the type that is the default.
	federated := renewer(t, &source.Workload{Exchanger: e, Subject: source.TokenFile(path), Account: s.ServiceAccountID}, nil)
	if _, err := federated.Token(t.Context()); !errors.Is(err, source.ErrNoAccount) {
		t.Errorf("a token of an issuer whom nobody set up: %v, want ErrNoAccount", err)
	}
	if st := federated.Status(); st.Token.Failure != "PERMISSION_DENIED" || !st.Token.Refused || st.ServiceAccountID != s.ServiceAccountID {
		t.Errorf("status %+v", st)
	}
}

func TestUpstream(t *testing.T) {
	s := propusktest.New(t)
	good := s.Token(t)
	for name, tc := range map[string]struct {
		status int
		body   string
		want   error // nil: a token
	}{
		"a token":        {200, fmt.Sprintf(`{"access_token":%q,"expires_in":4000,"token_type":"Bearer"}`, good), nil},
		"none":           {404, "no service account", source.ErrNoAccount},
		"disabled":       {400, `Token is disabled for "epd"`, iam.Unavailable},
		"forbidden":      {403, "", iam.Unavailable},
		"a redirect":     {302, "", iam.Unavailable},
		"text":           {200, `Token is disabled for "epd"`, iam.Unavailable},
		"ended":          {200, `{"access_token":"a","expires_in":0}`, iam.Unavailable},
		"no token":       {200, `{"expires_in":10}`, iam.Internal},
		"a broken token": {200, `{"access_token":"a\r\nX: y","expires_in":10}`, iam.Internal},
		"endless":        {200, `{"access_token":"` + strings.Repeat("a", 1<<20), iam.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/token" {
					t.Errorf("asked %s with %v", r.URL, r.Header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer up.Close()
			o, err := source.NewUpstream(strings.TrimPrefix(up.URL, "http://"), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := o.Make(t.Context())
			if tc.want != nil {
				if !errors.Is(err, tc.want) || errors.Is(tc.want, iam.Unavailable) && errors.Is(err, source.ErrNoAccount) {
					t.Errorf("%v, want %v", err, tc.want)
				}
				return
			}
			if left := time.Until(got.ExpiresAt); err != nil || !works(t, s, got.Text) || left > 4000*time.Second || left < 3990*time.Second {
				t.Errorf("%v, %v left", err, left)
			}
			if r := renewer(t, o, nil); err == nil {
				if _, err := r.Token(t.Context()); err != nil || r.ServiceAccountID() != s.ServiceAccountID {
					t.Errorf("%v of %q, want the account that the token tells", err, r.ServiceAccountID())
				}
			}
		})
	}
	for _, address := range []string{"", "169.254.169.254", ":80", "host:", "host:0", "host:99999", "http://host:80"} {
		if _, err := source.NewUpstream(address, nil); !errors.Is(err, iam.InvalidArgument) {
			t.Errorf("%q: %v, want INVALID_ARGUMENT", address, err)
		}
	}
}

// A deleted account, seen by a real server's own answers.
func TestAccountIsDeletedOrSuspended(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, s *propusktest.Server) *propusktest.Response{
		"deleted": func(t *testing.T, s *propusktest.Server) *propusktest.Response {
			return s.Do(t, "DELETE", s.AdminToken(t), "/iam/v1/serviceAccounts/"+s.ServiceAccountID, nil)
		},
		"suspended": func(t *testing.T, s *propusktest.Server) *propusktest.Response {
			return s.Do(t, "POST", s.AdminToken(t), "/iam/v1/serviceAccounts/"+s.ServiceAccountID+":suspend", map[string]string{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := propusktest.New(t)
			c := client(t, s)
			path := filepath.Join(t.TempDir(), "key.json")
			write(t, path, s.Key)
			own, err := source.NewKeyFile(c, path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path+".admin", s.AdminKey)
			admin, err := source.NewKeyFile(c, path+".admin")
			if err != nil {
				t.Fatal(err)
			}
			acting := &source.Impersonated{Origin: admin, Account: s.ServiceAccountID, As: c.ForServiceAccount}
			if r := end(t, s); r.Code != 200 {
				t.Fatalf("%d %s", r.Code, r.Body)
			}
			for kind, o := range map[string]source.Origin{"key file": own, "impersonated": acting} {
				if _, err := o.Make(context.Background()); !iamclient.Definite(err) {
					t.Errorf("%s: %v, want a definite refusal", kind, err)
				}
			}
		})
	}
}
