package propusktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/propusktest"
	"github.com/propusk/propusk/token"
)

// clock is a wall clock that can be put forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// keyOf makes an account that expires, and a key file of it.
func keyOf(t *testing.T, s *propusktest.Server, name string, expires time.Time) (id string, key []byte) {
	t.Helper()
	admin := s.AdminToken(t)
	var op struct {
		Metadata struct{ ServiceAccountID string }
	}
	r := s.Do(t, "POST", admin, "/iam/v1/serviceAccounts", map[string]string{
		"folderId": s.FolderID, "name": name, "expiresAt": expires.UTC().Format(time.RFC3339)})
	if r.Code != 200 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	r.Decode(t, &op)
	id = op.Metadata.ServiceAccountID
	var made struct {
		Key        struct{ ID, ServiceAccountID, CreatedAt, KeyAlgorithm, PublicKey string }
		PrivateKey string
	}
	s.Do(t, "POST", admin, "/iam/v1/keys", map[string]string{"serviceAccountId": id}).Decode(t, &made)
	key, err := json.Marshal(map[string]string{
		"id": made.Key.ID, "service_account_id": id, "created_at": made.Key.CreatedAt, "key_algorithm": "RSA_2048",
		"public_key": made.Key.PublicKey, "private_key": made.PrivateKey})
	if err != nil {
		t.Fatal(err)
	}
	return id, key
}

// What ends while no server runs has ended when one runs again.
func TestExpiryDuringDowntime(t *testing.T) {
	var c clock
	folder := t.TempDir()
	// JWTs are signed by the wall clock, so the server's own may be off by what
	// it takes for skew at most: an account's end is what is put in reach.
	s := propusktest.New(t, propusktest.OnDisk(folder), propusktest.WithClock(c.now))
	expires := time.Now().Add(20 * time.Second).Truncate(time.Second)
	id, key := keyOf(t, s, "short-lived", expires)
	text := s.TokenFor(t, key)
	if r := s.Get(t, text, "/resource-manager/v1/clouds"); r.Code != 200 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	s.Stop(t)
	c.forward(30 * time.Second)
	s = propusktest.New(t, propusktest.OnDisk(folder), propusktest.WithClock(c.now))
	if r := s.Get(t, text, "/resource-manager/v1/clouds"); r.Code != 401 {
		t.Errorf("a token of an account that has expired meanwhile: %d %s", r.Code, r.Body)
	}
	r := s.Do(t, "POST", "", "/iam/v1/tokens", map[string]string{"jwt": propusktest.JWT(t, key)})
	if r.Code != 401 || !strings.Contains(string(r.Body), "has expired") {
		t.Errorf("an exchange for it: %d %s", r.Code, r.Body)
	}
	if r := s.Get(t, s.AdminToken(t), "/iam/v1/serviceAccounts/"+id); !strings.Contains(string(r.Body), `"SUSPENDED"`) {
		t.Errorf("the account is shown as %s", r.Body)
	}
}

// A verifier that follows a server goes on when another server, on the same
// data, takes its place; whoever starts anew learns of old revocations too.
func TestFeedAcrossRestart(t *testing.T) {
	folder := t.TempDir()
	s := propusktest.New(t, propusktest.OnDisk(folder))
	address := strings.TrimPrefix(s.HTTPURL, "http://")
	v := follow(t, s)
	kept, revoked := s.Token(t), s.Token(t)
	revoke(t, s, kept, revoked)
	await(t, v, revoked, token.ErrRevoked)
	before := v.Status()
	s.Stop(t)
	await(t, v, kept, nil) // while the server is away, for a minute at most
	await(t, v, revoked, token.ErrRevoked)

	s = propusktest.New(t, propusktest.OnDisk(folder), propusktest.OnAddress(address))
	late := s.Token(t)
	await(t, v, late, nil)
	await(t, v, kept, nil)
	await(t, v, revoked, token.ErrRevoked)
	revoke(t, s, kept, late)
	await(t, v, late, token.ErrRevoked)
	if after := v.Status(); after.Position <= before.Position || after.Revocations != 2 {
		t.Errorf("the verifier went from %+v to %+v", before, after)
	}
	anew := follow(t, s)
	await(t, anew, kept, nil)
	await(t, anew, revoked, token.ErrRevoked)
	await(t, anew, late, token.ErrRevoked)
}

// Another installation at the same address is not believed.
func TestAnotherServerAtTheSameAddress(t *testing.T) {
	s := propusktest.New(t)
	address := strings.TrimPrefix(s.HTTPURL, "http://")
	v := follow(t, s)
	mine := s.Token(t)
	await(t, v, mine, nil)
	s.Stop(t)
	other := propusktest.New(t, propusktest.OnAddress(address))
	if r := other.Get(t, mine, "/resource-manager/v1/clouds"); r.Code != 401 {
		t.Errorf("another server takes the token: %d %s", r.Code, r.Body)
	}
	theirs := other.Token(t)
	for range 20 {
		if _, err := v.Verify(theirs); err == nil {
			t.Fatal("a token of another installation is taken")
		}
		time.Sleep(10 * time.Millisecond)
	}
	await(t, v, mine, nil)
}

func follow(t *testing.T, s *propusktest.Server) *token.Verifier {
	t.Helper()
	v, err := token.NewVerifier(token.Config{BaseURL: s.HTTPURL, Root: s.RootKey})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go v.Follow(ctx)
	<-v.Ready()
	return v
}

func revoke(t *testing.T, s *propusktest.Server, by, text string) {
	t.Helper()
	if r := s.Do(t, "POST", by, "/iam/v1/tokens:revoke", map[string]string{"iamToken": text}); r.Code != 200 {
		t.Fatalf("revoke: %d %s", r.Code, r.Body)
	}
}

// await gives a verifier ten seconds to see a token as it should.
func await(t *testing.T, v *token.Verifier, text string, want error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err = v.Verify(text); errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("the verifier says %v, want %v", err, want)
}
