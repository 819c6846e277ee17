package grant_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
)

func TestDeviceCodesAreLongAndKeptAsHashes(t *testing.T) {
	one, lookup := grant.NewDeviceCode()
	other, _ := grant.NewDeviceCode()
	if !regexp.MustCompile(`^dc1\.[-_A-Za-z0-9]{43}$`).MatchString(one.Reveal()) || one == other {
		t.Error("no device code")
	}
	if len(lookup) != 64 || strings.Contains(lookup, one.Reveal()) || lookup != grant.DeviceCodeLookup(one.Reveal()) {
		t.Errorf("look-up %s", lookup)
	}
}

func TestUserCodes(t *testing.T) {
	codes := grant.UserCodes{Key: []byte("one")}
	form := regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`)
	letters := map[rune]int{}
	for range 2000 {
		shown, lookup := codes.New()
		if !form.MatchString(shown) || strings.Contains(shown, lookup) {
			t.Fatalf("user code %q", shown)
		}
		for _, r := range strings.ReplaceAll(shown, "-", "") {
			letters[r]++
		}
		again, same, ok := codes.Read(shown)
		if !ok || again != shown || same != lookup {
			t.Fatalf("%s is read as %s", shown, again)
		}
		if _, other, _ := (grant.UserCodes{Key: []byte("two")}).Read(shown); other == lookup {
			t.Fatal("the key makes no difference")
		}
	}
	for r, n := range letters { // 800 each on average, deviation 28
		if n < 600 || n > 1000 {
			t.Errorf("%c comes %d times", r, n)
		}
	}
	if len(letters) != 20 {
		t.Errorf("%d letters", len(letters))
	}
}

func TestUserCodesAsTheyAreTyped(t *testing.T) {
	codes := grant.UserCodes{Key: []byte("one")}
	_, want, _ := codes.Read("WDJB-MJHT")
	for typed, ok := range map[string]bool{
		"WDJB-MJHT": true, "wdjbmjht": true, " w d j b - m j h t ": true, "WDJB\u2013MJHT": true, "wDjB\u00a0mJhT": true,
		"": false, "WDJB-MJH": false, "WDJB-MJHTT": false, "WDJB-MJHA": false, "WDJB_MJHT": false, "WDJB-MJH7": false,
		"ＷDJB-MJHT": false, "WDJB-MJH\x00T": false, "WDJB-MJH\u0422": false, "\xff\xfeWDJBMJHT": false, "--------": false,
	} {
		shown, lookup, got := codes.Read(typed)
		if got != ok || ok && (shown != "WDJB-MJHT" || lookup != want) || !ok && (shown != "" || lookup != "") {
			t.Errorf("%q: %q, %v", typed, shown, got)
		}
	}
}

func FuzzUserCodes(f *testing.F) {
	for _, seed := range []string{"WDJB-MJHT", "wdjb mjht", "", "-", "\u2010\u2015", "BCDFGHJKL", "aeiou"} {
		f.Add(seed)
	}
	codes := grant.UserCodes{Key: []byte("one")}
	f.Fuzz(func(t *testing.T, typed string) {
		shown, lookup, ok := codes.Read(typed)
		if !ok {
			return
		}
		again, same, ok := codes.Read(shown)
		if !ok || again != shown || same != lookup || len(shown) != 9 {
			t.Errorf("%q is read as %q and that as %q", typed, shown, again)
		}
	})
}

func TestPolling(t *testing.T) {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := &iam.DeviceCode{Wait: grant.DeviceInterval, CreatedAt: begin, ExpiresAt: begin.Add(grant.DeviceLife)}
	poll := func(at time.Duration, want string, wait time.Duration) {
		t.Helper()
		before := *d
		writes, err := grant.PollDevice(d, begin.Add(at))
		var e *iam.Error
		if errors.As(err, &e); (e == nil) != (want == "") || e != nil && e.Reason != want {
			t.Errorf("after %s: %v, want %q", at, err, want)
		}
		over := want == "" || want == iam.OAuthAccessDenied || want == iam.OAuthExpiredToken // no question changes it any more
		if writes == over || !writes && (d.PolledAt != before.PolledAt || d.Wait != before.Wait) {
			t.Errorf("after %s: to be written: %v", at, writes)
		}
		if d.Wait != wait || writes && !d.PolledAt.Equal(begin.Add(at)) {
			t.Errorf("after %s: every %s, polled at %s", at, d.Wait, d.PolledAt)
		}
	}
	const s = time.Second
	poll(0, iam.OAuthAuthorizationPending, 5*s) // the first at any time
	poll(5*s, iam.OAuthAuthorizationPending, 5*s)
	poll(9*s+s/2, iam.OAuthAuthorizationPending, 5*s) // the network was quick
	poll(13*s, iam.OAuthSlowDown, 10*s)               // and this is too early
	poll(20*s, iam.OAuthSlowDown, 15*s)               // for good
	poll(35*s, iam.OAuthAuthorizationPending, 15*s)
	poll(45*s, iam.OAuthSlowDown, 20*s)
	decided := *d
	decided.DecidedAt, decided.GrantID = begin.Add(46*s), "g"
	pending := d
	d = &decided
	poll(46*s, "", 20*s) // however early
	decided.GrantID = ""
	poll(47*s, iam.OAuthAccessDenied, 20*s)
	poll(grant.DeviceLife, iam.OAuthExpiredToken, 20*s)
	decided.GrantID = "g"
	poll(grant.DeviceLife, iam.OAuthExpiredToken, 20*s) // a yes that nobody has fetched
	d = pending
	written := 0
	for i := range 100 { // a storm
		writes, err := grant.PollDevice(d, begin.Add(60*s+time.Duration(i)))
		if err == nil {
			t.Fatal("let in")
		}
		if writes {
			written++
		}
	}
	if d.Wait != 2*time.Minute || written > 25 {
		t.Errorf("every %s, written %d times", d.Wait, written)
	}
	poll(grant.DeviceLife-1, iam.OAuthAuthorizationPending, d.Wait)
	poll(grant.DeviceLife, iam.OAuthExpiredToken, d.Wait)
}

func TestGuessesAreCounted(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var g grant.Guesses
	for i := range 10 {
		if wait := g.Blocked(now); wait != 0 {
			t.Fatalf("after %d: blocked for %s", i, wait)
		}
		g = g.Wrong(now)
		now = now.Add(time.Minute)
	}
	if wait := g.Blocked(now); wait != 59*time.Minute {
		t.Errorf("blocked for %s", wait)
	}
	now = now.Add(59 * time.Minute)
	if g.Blocked(now) != 0 {
		t.Error("blocked for more than an hour")
	}
	if g = g.Wrong(now); g.Count != 1 || g.Blocked(now) != 0 {
		t.Errorf("begins anew with %+v", g)
	}
}
