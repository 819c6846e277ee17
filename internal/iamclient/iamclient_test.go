package iamclient_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/propusktest"
)

const life = 12 * time.Hour

func TestCredentialsOfARealServer(t *testing.T) {
	s := propusktest.New(t)
	c := realClient(t, s, nil)
	ctx := within(t, time.Minute)

	own, err := c.Exchange(ctx, parse(t, s.AdminKey))
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(own.ExpiresAt); (left - life).Abs() > 5*time.Second {
		t.Errorf("%v left, want %v", left, life)
	}
	works(t, s, own.Text)

	other, err := c.ForServiceAccount(ctx, own.Text, s.ServiceAccountID)
	if err != nil {
		t.Fatal(err)
	}
	works(t, s, other.Text)
	if other.ExpiresAt.After(own.ExpiresAt.Add(time.Second)) {
		t.Errorf("a token for another account lives until %v, past the caller's %v", other.ExpiresAt, own.ExpiresAt)
	}

	_, oauth := s.NewPerson(t, "pat")
	person, err := c.ExchangeOAuth(ctx, iam.NewSecret(oauth))
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Get(t, person.Text.Reveal(), "/resource-manager/v1/clouds"); r.Code != 200 {
		t.Errorf("a person's call: %d %s", r.Code, r.Body)
	}

	key, err := c.Ephemeral(ctx, other.Text, iamclient.EphemeralRequest{SessionName: "test", Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(key.ExpiresAt); left < 59*time.Minute || left > time.Hour {
		t.Errorf("an access key has %v left, want an hour", left)
	}
	if key.ID == "" || !strings.HasPrefix(key.SessionToken.Reveal(), "s1.") {
		t.Errorf("the key is %q", key.ID)
	}
}

func TestRefusalsOfARealServer(t *testing.T) {
	s := propusktest.New(t)
	c := realClient(t, s, nil)
	ctx := within(t, time.Minute)
	own, err := c.Exchange(ctx, parse(t, s.Key))
	if err != nil {
		t.Fatal(err)
	}
	stranger := parse(t, s.AdminKey)
	stranger.ID = "ajenobodys0000000000"
	for name, tc := range map[string]struct {
		err      func() error
		kind     iam.Kind
		definite bool
	}{
		"unknown key": {func() error { _, err := c.Exchange(ctx, stranger); return err }, iam.Unauthenticated, true},
		"no right to act for": {func() error { _, err := c.ForServiceAccount(ctx, own.Text, s.AdminID); return err },
			iam.PermissionDenied, true},
		"no such account": {func() error { _, err := c.ForServiceAccount(ctx, own.Text, "ajenobodys0000000000"); return err },
			iam.NotFound, true},
		"bad OAuth token": {func() error { _, err := c.ExchangeOAuth(ctx, iam.NewSecret("y0_nothing")); return err }, iam.Unauthenticated, true},
		"bad name": {func() error {
			_, err := c.Ephemeral(ctx, own.Text, iamclient.EphemeralRequest{SessionName: "a b"})
			return err
		}, iam.InvalidArgument, false},
	} {
		err := tc.err()
		r, ok := errors.AsType[*iamclient.Refusal](err)
		if !ok || !errors.Is(err, tc.kind) || r.RequestID == "" || r.Failure.Message == "" || iamclient.Definite(err) != tc.definite {
			t.Errorf("%s: %v (definite %v), want %v with a request id", name, err, iamclient.Definite(err), tc.kind)
		}
		if !strings.Contains(err.Error(), r.RequestID) {
			t.Errorf("%s: %v lacks its request id", name, err)
		}
	}
	bad := parse(t, s.Key)
	bad.PrivateKey = iam.NewSecret("PLEASE DO NOT REMOVE THIS LINE! nonsense")
	if _, err := c.Exchange(ctx, bad); !errors.Is(err, iam.InvalidArgument) || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a key that cannot sign: %v", err)
	}
}

// A machine's clock may be wrong: tokens are made all the same, and their ends
// are told by that clock.
func TestWrongClocks(t *testing.T) {
	s := propusktest.New(t)
	key := parse(t, s.Key)
	for _, off := range []time.Duration{-23 * time.Hour, -3 * time.Hour, -61 * time.Minute, -2 * time.Minute, 2 * time.Minute, 70 * time.Minute, 23 * time.Hour} {
		now := func() time.Time { return time.Now().Add(off) }
		c := realClient(t, s, now)
		for _, at := range []string{"at first", "then"} {
			got, err := c.Exchange(within(t, time.Minute), key)
			if err != nil {
				t.Errorf("%v off, %s: %v", off, at, err)
				continue
			}
			if left := got.ExpiresAt.Sub(now()); (left - life).Abs() > 5*time.Second {
				t.Errorf("%v off, %s: %v left, want %v", off, at, left, life)
			}
			if at == "at first" {
				works(t, s, got.Text)
			}
		}
		if skew := c.Skew(); (skew + off).Abs() > 2*time.Second {
			t.Errorf("%v off: the server is said to be %v ahead", off, skew)
		}
		own, err := c.Exchange(within(t, time.Minute), key)
		if err != nil {
			t.Fatal(err)
		}
		ephemeral, err := c.Ephemeral(within(t, time.Minute), own.Text, iamclient.EphemeralRequest{SessionName: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if left := ephemeral.ExpiresAt.Sub(now()); (left - life).Abs() > 10*time.Second {
			t.Errorf("%v off: an access key has %v left, want %v", off, left, life)
		}
	}
}

// A clock that nobody has set is corrected by years, one that is set by no more
// than a day: a JWT for next year would be good then.
func TestClockIsYearsOff(t *testing.T) {
	s := propusktest.New(t)
	key := parse(t, s.Key)
	unset := time.Date(1970, 1, 1, 0, 0, 30, 0, time.UTC)
	c := realClient(t, s, func() time.Time { return unset })
	got, err := c.Exchange(within(t, time.Minute), key)
	if err != nil || !got.ExpiresAt.Equal(unset.Add(life)) {
		t.Errorf("%v, until %v", err, got.ExpiresAt)
	}
	for _, off := range []time.Duration{-300 * 24 * time.Hour, 300 * 24 * time.Hour, 26 * time.Hour} {
		c := realClient(t, s, func() time.Time { return time.Now().Add(off) })
		if _, err := c.Exchange(within(t, time.Minute), key); !errors.Is(err, iam.Unauthenticated) || iamclient.Definite(err) ||
			!strings.Contains(err.Error(), "this machine's clock") {
			t.Errorf("%v off: %v, want a refusal that is not certain and names the clock", off, err)
		}
	}
}

// The clock is set right, or wrong, between two calls.
func TestClockIsSetBetweenCalls(t *testing.T) {
	s := propusktest.New(t)
	key := parse(t, s.Key)
	var off time.Duration
	c := realClient(t, s, func() time.Time { return time.Now().Add(off) })
	for _, off = range []time.Duration{0, 5 * time.Hour, 0, -5 * time.Hour, 5 * time.Hour} {
		if _, err := c.Exchange(within(t, time.Minute), key); err != nil {
			t.Errorf("%v off: %v", off, err)
		}
	}
}

func TestDialRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]iamclient.Options{
		"no port":             {Endpoint: "iam.example.com"},
		"no host":             {Endpoint: ":443"},
		"plaintext elsewhere": {Endpoint: "iam.example.com:443", Plaintext: true},
		"plaintext by a name": {Endpoint: "localhost.example.com:443", Plaintext: true},
		"both":                {Endpoint: "127.0.0.1:443", Plaintext: true, CAFile: empty},
		"no CA file":          {Endpoint: "127.0.0.1:443", CAFile: empty + ".none"},
		"no CA in it":         {Endpoint: "127.0.0.1:443", CAFile: empty},
	} {
		if _, err := iamclient.Dial(o); !errors.Is(err, iam.InvalidArgument) {
			t.Errorf("%s: %v, want INVALID_ARGUMENT", name, err)
		}
	}
	for name, o := range map[string]iamclient.ExchangerOptions{
		"no address":     {URL: "auth.example.com"},
		"http elsewhere": {URL: "http://auth.example.com"},
		"a password":     {URL: "https://a:b@auth.example.com"},
		"a query":        {URL: "https://auth.example.com/?a=b"},
		"another scheme": {URL: "ftp://auth.example.com"},
		"no CA in it":    {URL: "https://127.0.0.1", CAFile: empty},
	} {
		if _, err := iamclient.NewExchanger(o); !errors.Is(err, iam.InvalidArgument) {
			t.Errorf("%s: %v, want INVALID_ARGUMENT", name, err)
		}
	}
}
