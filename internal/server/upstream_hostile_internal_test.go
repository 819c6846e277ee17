package server

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/internal/upstream/upstreamtest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// stationOn is a station of two nodes on one database.
func stationOn(t *testing.T, change ...func(*SignInProvider)) (one, two *station) {
	t.Helper()
	url := pgtest.Shared(t).Schema(t)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	p := upstreamtest.New(t)
	first := SignInProvider{ID: "one", Title: "One", Issuer: p.URL, ClientID: upstreamtest.ClientID, ClientSecret: upstreamtest.ClientSecret}
	for _, c := range change {
		c(&first)
	}
	providers := func(c *Config) { c.Providers = []SignInProvider{first} }
	return &station{openNode(t, url, key, providers), p}, &station{openNode(t, url, key, providers), p}
}

// Who comes for the first time, twice at once, is one person and gets in twice.
func TestUpstreamFirstSignInsAtOnce(t *testing.T) {
	t.Parallel()
	one, two := stationOn(t, func(p *SignInProvider) { p.Create, p.Match = true, MatchEmail })
	for round := range 4 {
		for what, account := range map[string]upstreamtest.Claims{
			"a newcomer": there("sub", fmt.Sprint("new ", round), "email", fmt.Sprintf("new%d@example.com", round), "preferred_username", fmt.Sprint("new", round)),
			"alice":      aliceThere,
		} {
			var trips [6]trip
			for i := range trips {
				trips[i] = one.allow(t, one.begin(t, "one"), account)
			}
			var outs [6]*propuskpb.SignInResponse
			var errs [6]error
			var wg sync.WaitGroup
			for i := range outs {
				wg.Go(func() { outs[i], errs[i] = []*station{one, two}[i%2].finish(t, trips[i]) })
			}
			wg.Wait()
			ids := map[string]bool{}
			for i := range outs {
				if errs[i] != nil {
					t.Errorf("round %d, %s: %v", round, what, errs[i])
					continue
				}
				ids[must2(one.account(t, outs[i].GetSession().GetCookie()))(t).GetId()] = true
			}
			if len(ids) != 1 {
				t.Errorf("round %d: %s is %d people", round, what, len(ids))
			}
		}
	}
	// Two with the same wish for a login are two people.
	var trips [6]trip
	for i := range trips {
		trips[i] = one.allow(t, one.begin(t, "one"), there("sub", fmt.Sprint("twin ", i), "email", "", "preferred_username", "twin"))
	}
	var errs [6]error
	var wg sync.WaitGroup
	for i := range trips {
		wg.Go(func() { _, errs[i] = []*station{one, two}[i%2].finish(t, trips[i]) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Errorf("a twin: %v", err)
		}
	}
}

// Of two ways in that are taken away at once one stays, on whichever nodes.
func TestUpstreamLastWaysInAtOnce(t *testing.T) {
	t.Parallel()
	one, two := stationOn(t, func(p *SignInProvider) { p.Create = true })
	for round := range 4 {
		account := there("sub", fmt.Sprint("last ", round), "email", "")
		r, err := one.come(t, account)
		cookie := must(t, r, err).GetSession().GetCookie()
		id := must2(one.account(t, cookie))(t).GetId()
		key := &iam.Passkey{ID: fmt.Sprintf("ajepasskey%010d", round), UserID: id, CredentialID: []byte(fmt.Sprint("credential ", round)), Name: "K",
			Algorithm: -7, PublicKey: []byte("k"), CreatedAt: time.Now()}
		one.change(t, func(tx *store.Tx) error { return store.InsertPasskey(tx, key) })
		var errs [2]error
		var wg sync.WaitGroup
		wg.Go(func() { errs[0] = one.disconnect(t, cookie, "", one.one.URL) })
		wg.Go(func() {
			_, errs[1] = asked[*propuskpb.RemovePasskeyResponse](t, two.hall, propuskpb.PasskeyService_Remove_FullMethodName,
				&propuskpb.RemovePasskeyRequest{Session: cookie, PasskeyId: key.ID, Client: here})
		})
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("round %d: %v, %v", round, errs[0], errs[1])
		}
		var left int
		one.change(t, func(tx *store.Tx) (err error) {
			left, err = store.CountWaysIn(tx, id, []string{one.one.URL})
			return err
		})
		if left != 1 {
			t.Errorf("round %d: %d ways in are left", round, left)
		}
	}
}

// A sign-in elsewhere of long ago, of which the provider tells, is no proof of now;
// who goes there to prove himself anew has to be asked.
func TestUpstreamProofIsFresh(t *testing.T) {
	t.Parallel()
	s := openStation(t, func(p *SignInProvider) { p.Create = true })
	at := func(ago time.Duration) upstreamtest.Claims {
		return there("sub", "1", "email", "", "auth_time", s.clock().Add(-ago).Unix())
	}
	began := func(cookie string) (when time.Time) {
		id := must2(s.account(t, cookie))(t).GetSession().GetId()
		s.change(t, func(tx *store.Tx) error {
			row, err := store.GetSession(tx, id)
			if err == nil {
				when = row.AuthenticatedAt
			}
			return err
		})
		return when
	}
	r, err := s.come(t, at(time.Hour))
	cookie := must(t, r, err).GetSession().GetCookie()
	if age := s.clock().Sub(began(cookie)); age < 59*time.Minute || age > 61*time.Minute {
		t.Errorf("he proved himself %v ago", age)
	}
	refused(t, "a sign-in elsewhere of long ago", s.disconnect(t, cookie, "", s.one.URL), iam.FailedPrecondition, "sign_in_again")
	anew := func(account upstreamtest.Claims) (*propuskpb.SignInResponse, error) {
		j, err := asked[*propuskpb.UpstreamJourney](t, s.hall, propuskpb.UpstreamService_Begin_FullMethodName,
			&propuskpb.BeginUpstreamRequest{Provider: "one", Client: here, Anew: true})
		return s.finish(t, s.allow(t, must(t, j, err), account))
	}
	_, err = anew(at(time.Hour))
	refused(t, "without being asked", err, iam.Unauthenticated, "provider_stale")
	r, err = anew(at(30 * time.Second)) // a clock that is behind
	cookie = must(t, r, err).GetSession().GetCookie()
	if age := s.clock().Sub(began(cookie)); age > 10*time.Second {
		t.Errorf("he proved himself %v ago", age)
	}
	refused(t, "just now", s.disconnect(t, cookie, "", s.one.URL), iam.FailedPrecondition, "last_way_in")
}

// Operators see by what a person may sign in, and take it away, even the last.
func TestOperatorDisconnects(t *testing.T) {
	t.Parallel()
	s := openStation(t, func(p *SignInProvider) { p.Create = true })
	account := there("sub", "odd 1", "email", "carol@example.com", "preferred_username", "carol")
	must2(s.come(t, account))(t)
	got := must2(s.ListUserConnections(t.Context(), UserConnectionsRequest{User: "carol"}))(t)
	if c := got.Connections; len(c) != 1 || c[0].Provider != "one" || c[0].Authority != s.one.URL || c[0].Subject != "odd 1" || c[0].Email != "carol@example.com" || c[0].LastUsedAt.IsZero() {
		t.Errorf("connections: %+v", c)
	}
	if got := must2(s.ListUserConnections(t.Context(), UserConnectionsRequest{User: "alice"}))(t); len(got.Connections) != 0 {
		t.Errorf("of alice: %+v", got)
	}
	for who, provider := range map[string]string{"alice": "one", "nobody": "one", "carol": "two"} {
		if _, err := s.DisconnectUser(t.Context(), UserDisconnectRequest{User: who, Provider: provider}); iam.KindOf(err) != iam.NotFound {
			t.Errorf("%s from %s: %v", who, provider, err)
		}
	}
	if out := must2(s.DisconnectUser(t.Context(), UserDisconnectRequest{User: "carol", Provider: "one"}))(t); out.Left != 0 || out.UserID == "" {
		t.Errorf("%+v", out)
	}
	_, err := s.come(t, account)
	refused(t, "after it was taken away", err, iam.NotFound, "account_unconnected_email")
	log := s.events(t)
	if !strings.Contains(log, "propusk.DisconnectExternalIdentity") || strings.Contains(log, "carol@example.com") {
		t.Errorf("the audit log: %.3000s", log)
	}
	must2(s.come(t, there("sub", "another", "email", "", "preferred_username", "dave")))(t)
	if out := must2(s.DisconnectUser(t.Context(), UserDisconnectRequest{User: "dave", Provider: s.one.URL}))(t); out.Left != 0 {
		t.Errorf("by its address: %+v", out)
	}
}
