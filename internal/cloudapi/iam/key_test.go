package iam_test

import (
	"context"
	"errors"
	"testing"

	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/iam"
)

// A caller who has gone away while others' keys were being made costs nothing.
func TestKeyPairsWaitForTheirTurn(t *testing.T) {
	for range cap(iamapi.Pairs) {
		iamapi.Pairs <- struct{}{}
	}
	k := &iam.Key{ID: "aje", ServiceAccountID: "aje", Algorithm: iam.RSA4096}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := iamapi.NewPair(ctx, k)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("with every maker busy: %v, want Canceled", err)
	}
	for range cap(iamapi.Pairs) {
		<-iamapi.Pairs
	}
	if _, err := iamapi.NewPair(ctx, k); !errors.Is(err, context.Canceled) {
		t.Errorf("with a free maker, for a caller who has gone: %v, want Canceled", err)
	}
	if k.PublicKey != "" {
		t.Error("a pair was made for nobody")
	}
	k.Algorithm = iam.RSA2048
	if secret, err := iamapi.NewPair(t.Context(), k); err != nil || secret.Reveal() == "" || k.PublicKey == "" {
		t.Errorf("a pair for somebody: %v", err)
	}
	if len(iamapi.Pairs) != 0 {
		t.Error("a maker was not given back")
	}
}
