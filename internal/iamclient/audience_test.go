package iamclient_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/propusktest"
)

// A server that does not take the public cloud's audience is asked with its own,
// and from then on with that at once.
func TestServerOfItsOwnAudience(t *testing.T) {
	key := parse(t, propusktest.New(t).Key)
	var seen []string
	strict := &fake{create: func(_ context.Context, _ int, r *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
		seen = append(seen, audienceOf(t, r.GetJwt()))
		if !strings.HasPrefix(seen[len(seen)-1], "https://127.0.0.1:") {
			return nil, status.Error(codes.Unauthenticated, "The JWT is meant for another audience: 'aud' names none of this server's")
		}
		return &iampb.CreateIamTokenResponse{IamToken: "opaque", ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}, nil
	}}
	c := strict.serve(t, iamclient.Options{})
	for range 2 {
		if _, err := c.Exchange(within(t, 10*time.Second), key); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 || seen[0] != keyfile.PublicAudience || !strings.HasSuffix(seen[1], "/iam/v1/tokens") || seen[2] != seen[1] {
		t.Errorf("asked with %q", seen)
	}
}

// One that takes neither is asked twice, and its word is told.
func TestServerOfAnotherAudience(t *testing.T) {
	key := parse(t, propusktest.New(t).Key)
	f := &fake{create: func(context.Context, int, *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
		return nil, status.Error(codes.Unauthenticated, "The JWT is meant for another audience: 'aud' names none of this server's")
	}}
	_, err := f.serve(t, iamclient.Options{}).Exchange(within(t, 10*time.Second), key)
	if err == nil || !strings.Contains(err.Error(), "another audience") || f.count() != 2 {
		t.Errorf("after %d calls: %v", f.count(), err)
	}
}

func audienceOf(t *testing.T, jwt string) string {
	t.Helper()
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	var claims struct{ Aud any }
	if err == nil {
		err = json.Unmarshal(body, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	switch a := claims.Aud.(type) {
	case string:
		return a
	case []any:
		return a[0].(string)
	}
	t.Fatal("no aud")
	return ""
}
