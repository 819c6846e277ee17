package credential_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
)

// What is remembered of a key proves nothing once the key is deleted, or is
// another under the same name, or for another day, region or service.
func TestDerivedKeysOutliveNoKey(t *testing.T) {
	w := newAccessWorld()
	now := start
	p := &credential.AccessKey{Reads: w, Now: func() time.Time { return now }}
	prove := func(s credential.Signature) error { return errorOf(p.Prove(context.Background(), s)) }
	good := sign(suiteSecret, good4)
	for range 3 {
		if err := prove(good); err != nil {
			t.Fatal(err)
		}
		bad := good
		bad.Signature = flipLast(good.Signature)
		refusedSignature(t, "a changed signature", prove(bad), "access_key_invalid", "")
	}
	for name, s := range map[string]credential.Signature{
		"another day":     v4("AKIDEXAMPLE", "20261102T000001Z", "ru-central1", "s3", emptyHash, ""),
		"another region":  v4("AKIDEXAMPLE", "20261101T120000Z", "us-east-1", "s3", emptyHash, ""),
		"another service": v4("AKIDEXAMPLE", "20261101T120000Z", "ru-central1", "sts", emptyHash, ""),
	} {
		now = s.SignedAt
		if err := prove(sign(suiteSecret, s)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		refusedSignature(t, name+", another secret", prove(sign(s3Secret, s)), "access_key_invalid", "")
	}
	now = start
	key := w.access["AKIDEXAMPLE"]
	delete(w.access, "AKIDEXAMPLE")
	refusedSignature(t, "deleted", prove(good), "access_key_invalid", "")
	w.access["AKIDEXAMPLE"] = &replica.AccessKey{AccessKey: key.AccessKey, Secret: iam.NewSecret(s3Secret)}
	refusedSignature(t, "another secret under the same name", prove(good), "access_key_invalid", "")
	if err := prove(sign(s3Secret, good4)); err != nil {
		t.Errorf("the new secret: %v", err)
	}
}

// However many scopes are signed for, what is remembered has a bound.
func TestDerivedKeysAreBounded(t *testing.T) {
	w := newAccessWorld()
	p := &credential.AccessKey{Reads: stillWorld{w}, Now: func() time.Time { return start }}
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for n := range 1500 {
				s := sign(suiteSecret, v4("AKIDEXAMPLE", "20261101T120000Z", fmt.Sprintf("r%d-%d", worker, n), "s3", emptyHash, ""))
				if _, err := p.Prove(context.Background(), s); err != nil {
					t.Error(err)
					return
				}
				s.Signature = flipLast(s.Signature)
				s.Region = s.Region[:len(s.Region)-1]
				_, _ = p.Prove(context.Background(), s)
			}
		})
	}
	wait.Wait()
	if n := credential.DerivedKept(p); n == 0 || n > 4096 {
		t.Errorf("%d derived keys are remembered, want at most 4096", n)
	}
	before := credential.DerivedKept(p)
	bad := v4("AKIDEXAMPLE", "20261101T120000Z", "elsewhere", "s3", emptyHash, "00")
	if _, err := p.Prove(context.Background(), bad); err == nil || credential.DerivedKept(p) != before {
		t.Errorf("a bad signature (%v) is remembered", err)
	}
}

// Many who prove one key's signatures at once do not disturb each other,
// however long the texts are.
func TestDerivedKeysAreSharedByMany(t *testing.T) {
	p := &credential.AccessKey{Reads: stillWorld{newAccessWorld()}, Now: func() time.Time { return start }}
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			region := strings.Repeat("r", 1+worker%2*500)
			for n := range 500 {
				s := sign(suiteSecret, v4("AKIDEXAMPLE", "20261101T120000Z", region, "s3", fmt.Sprintf("%064x", worker<<32|n), ""))
				if _, err := p.Prove(context.Background(), s); err != nil {
					t.Error(err)
					return
				}
				s.Signature = flipLast(s.Signature)
				if _, err := p.Prove(context.Background(), s); err == nil {
					t.Error("a changed signature is good")
					return
				}
			}
		})
	}
	wait.Wait()
}

// stillWorld remembers no look-ups: it is asked by many at once.
type stillWorld struct{ *accessWorld }

func (w stillWorld) FindAccessKey(_ context.Context, keyID string) (*replica.AccessKey, error) {
	return w.access[keyID], nil
}
