package propusktest_test

import (
	"context"
	"testing"
	"time"

	"github.com/propusk/propusk/propusktest"
	"github.com/propusk/propusk/token"
)

func TestTokenListsClouds(t *testing.T) {
	s := propusktest.New(t)
	r := s.Get(t, s.Token(t), "/resource-manager/v1/clouds")
	var out struct{ Clouds []struct{ ID string } }
	r.Decode(t, &out)
	if len(out.Clouds) != 1 || out.Clouds[0].ID != s.CloudID {
		t.Errorf("clouds: %s, want the one cloud %s", r.Body, s.CloudID)
	}
}

func TestVerifierElsewhere(t *testing.T) {
	s := propusktest.New(t)
	v, err := token.NewVerifier(token.Config{BaseURL: s.HTTPURL, Root: s.RootKey})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go v.Follow(ctx)
	<-v.Ready()
	text := s.Token(t)
	c, err := v.Verify(text)
	if err != nil || c.SubjectID != s.ServiceAccountID {
		t.Fatalf("Verify: %+v, %v", c, err)
	}
	if r := s.Do(t, "POST", text, "/iam/v1/tokens:revoke", map[string]string{"iamToken": text}); r.Code != 200 {
		t.Fatalf("revoke: %d %s", r.Code, r.Body)
	}
	if r := s.Get(t, text, "/resource-manager/v1/clouds"); r.Code != 401 {
		t.Errorf("the server takes a revoked token: %d %s", r.Code, r.Body)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := v.Verify(text); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the verifier takes a token that was revoked 10 s ago")
		}
	}
}
