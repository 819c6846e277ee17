package credential_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
)

func TestJTIIsUsedOnce(t *testing.T) {
	w := newWorld()
	now := start
	p, err := credential.NewJWTKey(credential.JWTKeyConfig{
		Reads: w, Audiences: []string{audience}, Now: func() time.Time { return now }, MaxIDs: 16,
	})
	if err != nil {
		t.Fatal(err)
	}
	one := good().with("jti", "one").String()
	if _, err := p.Prove(t.Context(), flip(one)); err == nil {
		t.Fatal("a bad signature proves")
	}
	if _, err := p.Prove(t.Context(), one); err != nil {
		t.Fatalf("a refused JWT must not use its jti up: %v", err)
	}
	reason := func(jwt string) string {
		_, err := p.Prove(t.Context(), jwt)
		var e *iam.Error
		if errors.As(err, &e) {
			return e.Reason
		}
		return fmt.Sprint(err)
	}
	if got := reason(one); got != "jwt_replayed" {
		t.Errorf("the same JWT: %s", got)
	}
	if got := reason(good().with("jti", "one").with("exp", start.Unix()+60).String()); got != "jwt_replayed" {
		t.Errorf("another JWT with its jti: %s", got)
	}
	if got := reason(good().with("jti", "two").String()); got != "<nil>" {
		t.Errorf("another jti: %s", got)
	}
	if got := reason(good().with("jti", "three").String()); got != "jwt_ids_exhausted" {
		t.Errorf("more than the key's share: %s", got)
	}
	now = start.Add(time.Hour + time.Minute - time.Millisecond)
	if got := reason(one); got != "jwt_replayed" {
		t.Errorf("at the last moment of the skew: %s", got)
	}
	now = start.Add(time.Hour + 3*time.Minute)
	fresh := good().with("iat", now.Unix()).with("exp", now.Unix()+60).with("jti", "one").String()
	if got := reason(fresh); got != "<nil>" {
		t.Errorf("after it was forgotten: %s", got)
	}
}

func TestJTIConcurrently(t *testing.T) {
	p := prover(t, newWorld(), start)
	jwt := good().with("jti", "x").String()
	var wg sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		wg.Go(func() {
			_, err := p.Prove(context.Background(), jwt)
			results <- err
		})
	}
	wg.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of %d proofs went through", won, cap(results))
	}
}
