package token_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

// clock is a hand-turned clock. It has no monotonic reading.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func signingKeys() []token.PublicKey {
	return []token.PublicKey{{ID: "sik00000000000000001", Key: public(seedKey(1)), SignsFrom: issued.Add(-time.Hour)}}
}

func emptySnapshot() token.Snapshot {
	return token.Snapshot{Installation: installation, Keys: signingKeys(), Position: 5000}
}

// localVerifier is loaded and believes that it is a minute after issue.
func localVerifier(t testing.TB, c token.Config) *token.Verifier {
	t.Helper()
	c.Local = true
	if c.Now == nil {
		c.Now = (&clock{t: issued.Add(time.Minute)}).Now
	}
	v, err := token.NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Load(emptySnapshot()); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyGood(t *testing.T) {
	v := localVerifier(t, token.Config{})
	s := mustSign(t, sample(), seedKey(1))
	first, err := v.Verify(s)
	if err != nil {
		t.Fatal(err)
	}
	second, err := v.Verify(strings.Clone(s))
	if err != nil || first != second {
		t.Errorf("the second sight gives %p, %v; the first %p", second, err, first)
	}
	if st := v.Status(); !st.Ready || st.Tokens != 1 || st.Keys != 1 || st.Position != 5000 {
		t.Errorf("status %+v", st)
	}
}

func TestNothingBeforeASnapshot(t *testing.T) {
	v, err := token.NewVerifier(token.Config{Local: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(mustSign(t, sample(), seedKey(1))); !errors.Is(err, token.ErrStale) {
		t.Errorf("got %v", err)
	}
	if v.Advance(1, nil) == nil || v.SetKeys(signingKeys()) == nil {
		t.Error("a verifier without a snapshot takes additions to it")
	}
	select {
	case <-v.Ready():
		t.Error("it says that it is ready")
	default:
	}
}

func TestVerifyRefuses(t *testing.T) {
	good := sample()
	for name, test := range map[string]struct {
		change func(*token.Claims)
		signer byte
		now    time.Time
		want   error
	}{
		"good":                    {want: nil},
		"another key's signature": {signer: 2, want: token.ErrSignature},
		"unknown key":             {change: func(c *token.Claims) { c.KeyID = "other" }, want: token.ErrUnknownKey},
		"another installation":    {change: func(c *token.Claims) { c.Installation = "other" }, want: token.ErrInstallation},
		"last moment":             {now: good.ExpiresAt.Add(-time.Nanosecond), want: nil},
		"expired":                 {now: good.ExpiresAt, want: token.ErrExpired},
		"early within the skew":   {now: good.IssuedAt.Add(-time.Minute), want: nil},
		"early":                   {now: good.IssuedAt.Add(-time.Minute - time.Millisecond), want: token.ErrNotYetValid},
		"issued before the window": {change: func(c *token.Claims) {
			c.IssuedAt = c.IssuedAt.Add(-time.Hour - time.Millisecond)
			c.ExpiresAt = c.IssuedAt.Add(2 * time.Hour)
		}, want: token.ErrUnknownKey},
		"first of the window": {change: func(c *token.Claims) {
			c.IssuedAt = c.IssuedAt.Add(-time.Hour)
			c.ExpiresAt = c.IssuedAt.Add(2 * time.Hour)
		}, want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := sample()
			if test.change != nil {
				test.change(&c)
			}
			at := clock{t: issued.Add(time.Minute)}
			if !test.now.IsZero() {
				at.t = test.now
			}
			v := localVerifier(t, token.Config{Now: at.Now})
			s := mustSign(t, c, seedKey(max(1, test.signer)))
			for range 2 {
				if claims, err := v.Verify(s); !errors.Is(err, test.want) || (err == nil) != (claims != nil) {
					t.Errorf("got %v, %v; want %v", claims, err, test.want)
				}
			}
		})
	}
}

func TestExpiryIsCheckedEachTime(t *testing.T) {
	at := &clock{t: issued}
	v := localVerifier(t, token.Config{Now: at.Now})
	s := mustSign(t, sample(), seedKey(1))
	for _, step := range []struct {
		at   time.Time
		want error
	}{{issued, nil}, {issued.Add(12*time.Hour - 1), nil}, {issued.Add(12 * time.Hour), token.ErrExpired}, {issued, nil}, {issued.Add(-2 * time.Minute), token.ErrNotYetValid}} {
		at.set(step.at)
		if _, err := v.Verify(s); !errors.Is(err, step.want) {
			t.Errorf("at %v: got %v, want %v", step.at, err, step.want)
		}
	}
}

func TestNoClockSkew(t *testing.T) {
	at := &clock{t: issued.Add(-time.Millisecond)}
	v := localVerifier(t, token.Config{Now: at.Now, ClockSkew: token.NoClockSkew})
	if _, err := v.Verify(mustSign(t, sample(), seedKey(1))); !errors.Is(err, token.ErrNotYetValid) {
		t.Errorf("got %v", err)
	}
}

func TestKeysChange(t *testing.T) {
	v := localVerifier(t, token.Config{})
	s := mustSign(t, sample(), seedKey(1))
	verify := func(want error) {
		t.Helper()
		if _, err := v.Verify(s); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	set := func(change func(*token.PublicKey)) {
		t.Helper()
		keys := signingKeys()
		change(&keys[0])
		if err := v.SetKeys(keys); err != nil {
			t.Fatal(err)
		}
	}
	verify(nil)
	set(func(k *token.PublicKey) { k.SignsUntil = issued })
	verify(nil)
	set(func(k *token.PublicKey) { k.SignsUntil = issued.Add(-time.Millisecond) })
	verify(token.ErrUnknownKey)
	set(func(k *token.PublicKey) { k.SignsFrom = issued.Add(time.Millisecond) })
	verify(token.ErrUnknownKey)
	set(func(k *token.PublicKey) { k.Key = public(seedKey(2)) })
	verify(token.ErrUnknownKey)
	set(func(k *token.PublicKey) { k.ID = "another" })
	verify(token.ErrUnknownKey)
	set(func(*token.PublicKey) {})
	verify(nil)
	other := emptySnapshot()
	other.Installation = "other"
	if err := v.Load(other); err != nil {
		t.Fatal(err)
	}
	verify(token.ErrInstallation)
}

func TestBadSnapshots(t *testing.T) {
	v := localVerifier(t, token.Config{})
	good := signingKeys()[0]
	short, nameless, backwards := good, good, good
	short.Key = short.Key[:31]
	nameless.ID = ""
	backwards.SignsUntil = backwards.SignsFrom.Add(-1)
	for name, keys := range map[string][]token.PublicKey{
		"short": {short}, "nameless": {nameless}, "backwards": {backwards}, "twice": {good, good},
	} {
		if v.SetKeys(keys) == nil {
			t.Errorf("%s: taken", name)
		}
		if v.Load(token.Snapshot{Installation: installation, Keys: keys}) == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	if v.Load(token.Snapshot{Keys: signingKeys()}) == nil {
		t.Error("no installation: loaded")
	}
	if _, err := v.Verify(mustSign(t, sample(), seedKey(1))); err != nil {
		t.Errorf("what was refused changed the verifier: %v", err)
	}
}

func TestConfigReportsAllProblems(t *testing.T) {
	_, err := token.NewVerifier(token.Config{BaseURL: "ftp://x", Root: []byte("short"), MaxStaleness: time.Millisecond, ClockSkew: -5, MaxTokens: -1})
	for _, word := range []string{"BaseURL", "Root", "MaxStaleness", "ClockSkew", "MaxTokens"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("nothing about %s in %v", word, err)
		}
	}
	if _, err := token.NewVerifier(token.Config{Local: true, BaseURL: "https://iam.example.com"}); err == nil {
		t.Error("Local with BaseURL is taken")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	v := localVerifier(t, token.Config{MaxTokens: 64})
	hot := mustSign(t, sample(), seedKey(1))
	for i := range 1000 {
		c := sample()
		c.ID = fmt.Sprintf("tok%017d", i+10)
		c.DependsOn[0].ID = c.ID
		if _, err := v.Verify(mustSign(t, c, seedKey(1))); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(hot); err != nil {
			t.Fatal(err)
		}
	}
	if got := v.Status().Tokens; got > 64 || got < 32 {
		t.Errorf("%d tokens are remembered of 64", got)
	}
}

func TestSeenBeforeAllocatesNothing(t *testing.T) {
	v := localVerifier(t, token.Config{})
	s := mustSign(t, sample(), seedKey(1))
	if _, err := v.Verify(s); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(s); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
