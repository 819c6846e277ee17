package iamclient

import (
	"context"
	"strings"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

const (
	longestLife = 12 * time.Hour // of an IAM token [API fact: lifetime]
	unknownLife = time.Minute    // of a token whose end nobody tells [client fact: the SDKs' answer to none]

	// longestToken bounds what is taken for a token [API fact: limits].
	longestToken = 8 << 10
)

// Token is an IAM token. Its times are told by this machine's clock, however
// wrong that is: the life that IAM gave, added to when its answer came.
type Token struct {
	Text       iam.Secret
	ReceivedAt time.Time
	ExpiresAt  time.Time
}

// ExchangeOAuth exchanges a person's OAuth token for an IAM token of theirs. It
// fails with a Refusal of IAM's kind.
func (c *Client) ExchangeOAuth(ctx context.Context, oauth iam.Secret) (Token, error) {
	return c.create(ctx, &iampb.CreateIamTokenRequest{
		Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: oauth.Reveal()}}, oauth)
}

func (c *Client) create(ctx context.Context, r *iampb.CreateIamTokenRequest, proof iam.Secret) (Token, error) {
	answer := new(iampb.CreateIamTokenResponse)
	if err := c.call(ctx, iampb.IamTokenService_Create_FullMethodName, r, answer, iam.Secret{}, proof); err != nil {
		return Token{}, err
	}
	return c.received(answer.GetIamToken(), answer.GetExpiresAt())
}

// ForServiceAccount makes an IAM token of the service account id for the owner of
// bearer, who needs the right to act for it. It lives no longer than bearer.
func (c *Client) ForServiceAccount(ctx context.Context, bearer iam.Secret, id string) (Token, error) {
	answer := new(iampb.CreateIamTokenResponse)
	err := c.call(ctx, iampb.IamTokenService_CreateForServiceAccount_FullMethodName,
		&iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id}, answer, bearer)
	if err != nil {
		return Token{}, err
	}
	return c.received(answer.GetIamToken(), answer.GetExpiresAt())
}

// received is a token that IAM has just made.
func (c *Client) received(text string, expires *timestamppb.Timestamp) (Token, error) {
	now := c.now()
	if err := CheckToken(text); err != nil {
		return Token{}, err
	}
	life := unknownLife
	if claims, err := token.ParseUnverified(text); err == nil {
		c.learn(claims.IssuedAt, now)
		life = claims.ExpiresAt.Sub(claims.IssuedAt)
	} else if expires.IsValid() {
		life = c.life(expires.AsTime(), now)
	}
	return Token{Text: iam.NewSecret(text), ReceivedAt: now, ExpiresAt: now.Add(min(life, longestLife))}, nil
}

// CheckToken refuses what can be no token: it is to go into one line of a header.
func CheckToken(text string) error {
	if text == "" || len(text) > longestToken || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return iam.Errorf(iam.Internal, "the answer holds no token")
	}
	return nil
}
