package token_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

func TestRevocations(t *testing.T) {
	c := sample()
	c.DependsOn = append(c.DependsOn, token.Dependency{Kind: token.KindSigningKey, ID: "sik00000000000000002"})
	for name, test := range map[string]struct {
		kind token.Kind
		id   string
		seq  uint64
		want error
	}{
		"the token":                    {token.KindToken, c.ID, 4712, token.ErrRevoked},
		"the subject":                  {token.KindSubject, c.SubjectID, 4712, token.ErrRevoked},
		"the credential":               {token.KindCredential, "ajk00000000000000001", 9999, token.ErrRevoked},
		"the signing key":              {token.KindSigningKey, c.KeyID, 4712, token.ErrRevoked},
		"the key, told of by a forger": {token.KindSigningKey, c.KeyID, 4711, token.ErrRevoked},
		"the key of its parent":        {token.KindSigningKey, "sik00000000000000002", 4712, token.ErrRevoked},
		"its parent's key, long ago":   {token.KindSigningKey, "sik00000000000000002", 4711, nil},
		"the installation":             {token.KindInstallation, c.Installation, 4712, token.ErrRevoked},
		"known when it was issued":     {token.KindToken, c.ID, 4711, nil},
		"an older one":                 {token.KindSubject, c.SubjectID, 1, nil},
		"the id under another kind":    {token.KindCredential, c.SubjectID, 4712, nil},
		"another id":                   {token.KindToken, "tok00000000000000002", 4712, nil},
		"an organization not depended": {token.KindOrganization, c.OrganizationID, 4712, nil},
	} {
		revoked := []token.Revocation{{Kind: test.kind, Hash: token.HashID(test.kind, test.id), Seq: test.seq}}
		s := mustSign(t, c, seedKey(1))
		t.Run(name, func(t *testing.T) {
			before := emptySnapshot()
			before.Revocations, before.Position = revoked, 9999
			v := localVerifier(t, token.Config{})
			if err := v.Load(before); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(s); !errors.Is(err, test.want) {
				t.Errorf("at first sight: got %v, want %v", err, test.want)
			}
			v = localVerifier(t, token.Config{})
			if _, err := v.Verify(s); err != nil {
				t.Fatal(err)
			}
			if err := v.Advance(9999, revoked); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := v.Verify(s); !errors.Is(err, test.want) {
					t.Errorf("seen before: got %v, want %v", err, test.want)
				}
			}
		})
	}
}

func TestTheLargestRevocationCounts(t *testing.T) {
	v := localVerifier(t, token.Config{})
	c := sample()
	hash := token.HashID(token.KindSubject, c.SubjectID)
	if err := v.Advance(6000, []token.Revocation{{Kind: token.KindSubject, Hash: hash, Seq: 5500}}); err != nil {
		t.Fatal(err)
	}
	if err := v.Advance(6000, []token.Revocation{{Kind: token.KindSubject, Hash: hash, Seq: 100}}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(mustSign(t, c, seedKey(1))); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("got %v", err)
	}
	c.Position = 5500
	if _, err := v.Verify(mustSign(t, c, seedKey(1))); err != nil {
		t.Errorf("issued afterwards: %v", err)
	}
}

func TestAdvanceBackIsRefusedButItsEntriesCount(t *testing.T) {
	v := localVerifier(t, token.Config{})
	c := sample()
	err := v.Advance(4999, []token.Revocation{{Hash: token.HashID(token.KindToken, c.ID), Seq: 4800}})
	if err == nil {
		t.Error("a position that goes back is taken")
	}
	if _, err := v.Verify(mustSign(t, c, seedKey(1))); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("got %v", err)
	}
}

func TestRevocationsAreForgotten(t *testing.T) {
	at := &clock{t: issued}
	v := localVerifier(t, token.Config{Now: at.Now})
	entry := func(i int) []token.Revocation {
		return []token.Revocation{{Hash: token.HashID(token.KindToken, fmt.Sprint(i)), Seq: uint64(5000 + i)}}
	}
	for i := range 10 {
		at.set(issued.Add(time.Duration(i) * time.Hour))
		if err := v.Advance(uint64(6000+i), entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	at.set(issued.Add(token.RevocationLife + 4*time.Hour + time.Minute))
	if err := v.Advance(7000, entry(10)); err != nil {
		t.Fatal(err)
	}
	if got := v.Status().Revocations; got != 6 {
		t.Errorf("%d revocations live, want 6", got)
	}
}

// TestRevocationIsSeenByEveryLaterVerify runs readers against a writer: once
// Advance has returned, no reader may start and still be let in.
func TestRevocationIsSeenByEveryLaterVerify(t *testing.T) {
	v := localVerifier(t, token.Config{MaxTokens: 16})
	var tokens []string
	var revocations []token.Revocation
	for i := range 40 {
		c := sample()
		c.ID = fmt.Sprintf("tok%017d", i)
		c.DependsOn[0].ID = c.ID
		tokens = append(tokens, mustSign(t, c, seedKey(1)))
		revocations = append(revocations, token.Revocation{Kind: token.KindToken, Hash: token.HashID(token.KindToken, c.ID), Seq: uint64(5001 + i)})
	}
	var mu sync.RWMutex
	ended := 0
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				for i, s := range tokens {
					select {
					case <-stop:
						return
					default:
					}
					mu.RLock()
					gone := i < ended
					mu.RUnlock()
					if _, err := v.Verify(s); gone && !errors.Is(err, token.ErrRevoked) {
						t.Errorf("token %d after its revocation: %v", i, err)
						return
					}
				}
			}
		})
	}
	for i, r := range revocations {
		if err := v.Advance(r.Seq, []token.Revocation{r}); err != nil {
			t.Error(err)
		}
		if i%10 == 0 {
			if err := v.SetKeys(signingKeys()); err != nil {
				t.Error(err)
			}
		}
		mu.Lock()
		ended = i + 1
		mu.Unlock()
		if _, err := v.Verify(tokens[i]); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("token %d: %v", i, err)
		}
	}
	close(stop)
	wg.Wait()
}
