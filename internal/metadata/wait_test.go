package metadata_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/metadata/source"
)

// turning is an account whose token changes at a moment.
type turning struct {
	account
	at time.Time
}

func (a *turning) Token(context.Context) (iamclient.Token, error) {
	text := "t1.old.x"
	if !time.Now().Before(a.at) {
		text = "t1.new.x"
	}
	return iamclient.Token{Text: iam.NewSecret(text), ReceivedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func waiting(t *testing.T, d http.Handler, path string) (*httptest.ResponseRecorder, time.Duration) {
	start := time.Now()
	w := ask(d, "GET", path, flavour)
	return w, time.Since(start)
}

func TestWaitForChange(t *testing.T) {
	const zone = "/computeMetadata/v1/instance/zone"
	synctest.Test(t, func(t *testing.T) {
		d := door(t, metadata.Config{Instance: machine(), Now: time.Now})
		tag := ask(d, "GET", zone, flavour).Header().Get("ETag")

		if w, took := waiting(t, d, zone+"?wait_for_change=true&last_etag=other"); w.Code != 200 || took != 0 {
			t.Errorf("another tag: %d after %s", w.Code, took)
		}
		if w, took := waiting(t, d, zone+"?wait_for_change=true&timeout_sec=7&last_etag="+tag); w.Code != 200 || took != 7*time.Second {
			t.Errorf("no change: %d after %s", w.Code, took)
		}
		if w, took := waiting(t, d, zone+"?wait_for_change=true&timeout_sec=7"); w.Code != 200 || took != 7*time.Second {
			t.Errorf("no tag: %d after %s", w.Code, took)
		}
		if _, took := waiting(t, d, zone+"?wait_for_change=true&timeout_sec=0"); took != 0 {
			t.Errorf("no time: %s", took)
		}
		if _, took := waiting(t, d, zone+"?wait_for_change=true&timeout_sec=999999"); took != 5*time.Minute {
			t.Errorf("the longest wait: %s", took)
		}
		if _, took := waiting(t, d, "/computeMetadata/v1/instance/none?wait_for_change=true"); took != 0 {
			t.Errorf("what is not there: %s", took)
		}

		go func() {
			time.Sleep(3 * time.Second)
			i := machine()
			i.Name = "other" // not what is waited for
			_ = d.SetInstance(i)
			time.Sleep(500 * time.Millisecond)
			i.Zone = "ru-central1-a"
			_ = d.SetInstance(i)
		}()
		w, took := waiting(t, d, zone+"?wait_for_change=true&last_etag="+tag)
		if !strings.HasSuffix(w.Body.String(), "ru-central1-a") || took != 3500*time.Millisecond {
			t.Errorf("a change: %q after %s", w.Body, took)
		}
		if w.Header().Get("ETag") == tag {
			t.Error("the tag of a change is the old one")
		}
	})
}

func TestWaitForAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &turning{at: time.Now().Add(9 * time.Second)}
		d := door(t, metadata.Config{Accounts: metadata.Everyone(a), Now: time.Now})
		tag := ask(d, "GET", tokenPath, flavour).Header().Get("ETag")
		w, took := waiting(t, d, tokenPath+"?wait_for_change=true&last_etag="+tag)
		if !strings.Contains(w.Body.String(), "t1.new.x") || took > 12*time.Second || took < 9*time.Second {
			t.Errorf("%q after %s", w.Body, took)
		}
	})
}

// Who is told apart no longer gets nothing more of what he waits for.
func TestWaitOfOneWhoIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(5 * time.Second)
		d := door(t, metadata.Config{Instance: machine(), Now: time.Now, Accounts: func(*http.Request, netip.Addr) (source.Account, error) {
			if time.Now().Before(until) {
				return good(), nil
			}
			return nil, metadata.ErrUnknownClient
		}})
		w, took := waiting(t, d, "/computeMetadata/v1/instance/zone?wait_for_change=true")
		if w.Code != 404 || took > 7*time.Second {
			t.Errorf("%d after %s", w.Code, took)
		}
	})
}

func TestWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := door(t, metadata.Config{Instance: machine(), Now: time.Now, MaxWaiters: 8})
		const path = "/computeMetadata/v1/instance/zone?wait_for_change=true&timeout_sec=60"
		codes := make(chan int, 100)
		var all sync.WaitGroup
		wait := func(client string) {
			all.Go(func() { codes <- askFrom(d, client, "GET", path, flavour).Code })
			synctest.Wait()
		}
		for range 3 { // of one client, a quarter
			wait("10.0.0.5:1")
		}
		for _, c := range []string{"10.0.0.6:1", "10.0.0.6:1", "10.0.0.7:1", "10.0.0.7:1", "10.0.0.8:1", "10.0.0.8:1", "10.0.0.9:1"} {
			wait(c)
		}
		if len(codes) != 2 || <-codes != 503 || <-codes != 503 {
			t.Fatalf("%d were answered at once", len(codes))
		}
		all.Wait()
		served := 0
		for len(codes) > 0 {
			if <-codes == 200 {
				served++
			}
		}
		if served != 8 {
			t.Errorf("%d were served", served)
		}
		wait("10.0.0.5:1") // places are free again
		d.Close()          // and a closing door keeps nobody
		all.Wait()
		if w, took := waiting(t, d, path); w.Code != 200 || took != 0 {
			t.Errorf("after the end: %d, %s", w.Code, took)
		}
	})
}

func TestAWaiterThatGoesIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := door(t, metadata.Config{Instance: machine(), Now: time.Now, MaxWaiters: 1})
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "GET", "/computeMetadata/v1/instance/zone?wait_for_change=true", nil)
		r.Host, r.RemoteAddr = "localhost", "10.0.0.5:1"
		r.Header.Set("Metadata-Flavor", "Google")
		done := make(chan struct{})
		go func() { d.ServeHTTP(httptest.NewRecorder(), r); close(done) }()
		synctest.Wait()
		start := time.Now()
		cancel()
		<-done
		if w, took := waiting(t, d, "/computeMetadata/v1/instance/zone?wait_for_change=true&timeout_sec=1"); w.Code != 200 || took != time.Second || time.Since(start) != time.Second {
			t.Errorf("the place is not free: %d after %s", w.Code, took)
		}
	})
}
