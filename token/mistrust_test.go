package token_test

import (
	"crypto"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/token"
)

// TestFollowRefuses puts something in the feed's place for a verifier that was
// following, and for one that begins. Neither may believe it.
func TestFollowRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, f *feed)
		says   string
	}{
		"a head that goes back": {func(t *testing.T, f *feed) { f.pub.Position = 4000 }, "503"},
		"another root": {func(t *testing.T, f *feed) {
			f.signer.Certificate = certify(t, installation, seedKey(55), time.Now().Add(time.Hour))
		}, "certificate: untrusted"},
		"an expired certificate": {func(t *testing.T, f *feed) {
			f.signer.Certificate = certify(t, installation, rootKey(), time.Now().Add(-2*time.Minute))
		}, "holds from"},
		"an uncertified feed key": {func(t *testing.T, f *feed) { f.signer.Key = seedKey(55) }, "head: untrusted"},
		"another installation": {func(t *testing.T, f *feed) {
			f.pub.Installation = "other"
			f.signer.Certificate = certify(t, "other", rootKey(), time.Now().Add(time.Hour))
		}, ""},
		"a redirect":      {func(t *testing.T, f *feed) { f.override = answer(http.StatusFound, "") }, "302"},
		"an error":        {func(t *testing.T, f *feed) { f.override = answer(http.StatusInternalServerError, "") }, "500"},
		"not JSON":        {func(t *testing.T, f *feed) { f.override = answer(http.StatusOK, "<html>") }, "not JSON"},
		"an empty answer": {func(t *testing.T, f *feed) { f.override = answer(http.StatusOK, "{}") }, "untrusted"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFeed(t, time.Now)
				s, _ := tokenNow(t, time.Now(), 1)
				v := follow(t, f, token.Config{})
				v.want(t, s, nil)
				f.change(func() { test.change(t, f) })
				time.Sleep(2 * time.Minute)
				v.want(t, s, token.ErrStale)
				if !v.complaint(test.says) {
					t.Errorf("failures: %v", v.errors[0])
				}
				if name == "a head that goes back" || name == "another installation" {
					return // who begins now cannot know
				}
				late := follow(t, f, token.Config{})
				time.Sleep(2 * time.Minute)
				late.want(t, s, token.ErrStale)
			})
		})
	}
}

func certify(t *testing.T, installation string, root crypto.Signer, until time.Time) token.SignedText {
	t.Helper()
	certificate, err := token.SignCertificate(token.Certificate{
		Installation: installation, Key: public(feedKey()), NotBefore: until.Add(-time.Hour), NotAfter: until,
	}, root)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func answer(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Location", "https://elsewhere.example.com/")
		w.WriteHeader(status)
		w.Write([]byte(body))
		return true
	}
}

// TestFollowRefusesWhatIsShownAgain replays genuine pages of the past.
func TestFollowRefusesWhatIsShownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, time.Now)
		s, c := tokenNow(t, time.Now(), 1)
		v := follow(t, f, token.Config{})
		old, err := f.confirm().RevocationSnapshot(f.signer, nil)
		if err != nil {
			t.Fatal(err)
		}
		oldKeys, err := f.keySet()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		f.revoke(token.KindToken, c.ID)
		time.Sleep(time.Second)
		v.want(t, s, token.ErrRevoked)
		f.change(func() {
			f.override = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == token.KeySetPath {
					w.Write(oldKeys)
				} else {
					w.Write(old)
				}
				return true
			}
		})
		time.Sleep(30 * time.Second)
		v.want(t, s, token.ErrRevoked)
		if !v.complaint("went back from 5001 to 5000") {
			t.Errorf("failures: %v", v.errors)
		}
		time.Sleep(time.Hour)
		v.want(t, s, token.ErrStale)
		late := follow(t, f, token.Config{})
		late.want(t, s, token.ErrStale)
		if !late.complaint("ago by this clock") {
			t.Errorf("failures: %v", late.errors)
		}
	})
}

// endless is a server whose answers have no end.
type endless struct{ read atomic.Int64 }

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(e), Request: r}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func TestFollowStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endless{}
		v := follow(t, e, token.Config{})
		if !v.complaint("larger than") || e.read.Load() > token.MaxPageBytes+1 {
			t.Errorf("%d bytes read, failures: %v", e.read.Load(), v.errors)
		}
	})
}
