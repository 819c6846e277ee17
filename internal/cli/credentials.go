package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/token"
)

// expiry is when a token ends, by this machine's clock; zero when unknown.
type expiry = time.Time

// credential is what somebody proves himself with, of which one field is set.
type credential struct {
	iamToken string
	oauth    string
	key      *keyfile.File
	metadata bool
	signIn   *profile.SignIn

	keeps bool // tokens made of it are kept: it is a profile's
}

// authenticate finds an IAM token to call with: one that is given or kept, or
// one that is made of a credential.
func (s *session) authenticate(ctx context.Context) error {
	if err := s.openKeyring(); err != nil {
		return err
	}
	c, err := s.credential()
	if err != nil {
		return err
	}
	got, err := s.keeping(c, "", func() (profile.Token, error) { return s.make(ctx, c) })
	if err != nil {
		return err
	}
	if s.impersonate == "" {
		s.bearer, s.expires = got.Text, got.ExpiresAt
		return nil
	}
	got, err = s.keeping(c, s.impersonate, func() (profile.Token, error) {
		answer := new(iampb.CreateIamTokenResponse)
		began := s.env.Now()
		err := s.send(ctx, iampb.IamTokenService_CreateForServiceAccount_FullMethodName,
			&iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: s.impersonate}, answer, "authorization", "Bearer "+got.Text.Reveal())
		if err != nil {
			return profile.Token{}, fmt.Errorf("act as %s: %w", s.impersonate, err)
		}
		return s.received(answer.GetIamToken(), answer.GetExpiresAt(), began), nil
	})
	s.bearer, s.expires = got.Text, got.ExpiresAt
	return err
}

// credential is who the person is. What is on the command line goes before the
// environment, and that before the profile.
func (s *session) credential() (*credential, error) {
	if s.token != "" && s.keyFile != "" {
		return nil, misuse("--token and --key-file exclude each other")
	}
	switch {
	case s.token != "":
		return eitherToken(s.token)
	case s.keyFile != "":
		return fromKey(s.keyFile)
	case s.env.variable(envToken) != "":
		text, err := oneWord(s.env.variable(envToken))
		return &credential{iamToken: text}, err
	case s.env.variable(envKeyFile) != "":
		return fromKey(s.env.variable(envKeyFile))
	case s.env.variable(envAnyToken) != "":
		return eitherToken(s.env.variable(envAnyToken))
	}
	if s.profiles == nil {
		if s.configPath == "" {
			return nil, misuse("say who you are: --key-file or $%s, --token or $%s; %w", envKeyFile, envToken, profile.ErrNoHome)
		}
		return nil, misuse("say who you are: --key-file or $%s, --token or $%s", envKeyFile, envToken)
	}
	c, err := s.profileCredential()
	if err == nil {
		err = s.bound(c)
	}
	return c, err
}

func (s *session) profileCredential() (*credential, error) {
	if fields := s.profiles.Map(s.profileName, "service-account-key"); fields != nil {
		text, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		key, err := keyfile.Parse(text)
		if err != nil {
			return nil, &Misuse{fmt.Errorf("profile %q: service-account-key: %w", s.profileName, err)}
		}
		return &credential{key: key, keeps: true}, nil
	}
	if text := s.profiles.Get(s.profileName, "token"); text != "" {
		c, err := eitherToken(text)
		if err != nil {
			return nil, fmt.Errorf("profile %q: %w", s.profileName, err)
		}
		c.keeps = true
		return c, nil
	}
	if s.profiles.Get(s.profileName, "instance-service-account") == "true" {
		return &credential{metadata: true}, nil
	}
	in, err := s.signIns().Get(s.profileName)
	federation := s.profiles.Get(s.profileName, "federation-id")
	switch {
	case err != nil:
		return nil, &Misuse{err}
	case in != nil && (federation == "" || federation == in.Federation):
		return &credential{signIn: in, keeps: true}, nil
	case federation != "": // set by hand: he has not signed in through it yet
		if in, err = profile.NewSignIn("", false); err != nil {
			return nil, err
		}
		in.Federation = federation
		return &credential{signIn: in, keeps: true}, nil
	}
	return nil, misuse("say who you are: --key-file or $%s, --token or $%s, or sign in by init, or give profile %q a service-account-key or a token by config set",
		envKeyFile, envToken, s.profileName)
}

// eitherToken tells an IAM token from an OAuth token as other programs do
// [client fact: t1. and exactly two dots].
func eitherToken(text string) (*credential, error) {
	text, err := oneWord(text)
	if strings.HasPrefix(text, "t1.") && strings.Count(text, ".") == 2 {
		return &credential{iamToken: text}, err
	}
	return &credential{oauth: text}, err
}

func oneWord(text string) (string, error) {
	text = strings.TrimSpace(text)
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return "", &Misuse{errors.New("the token is not one word of ASCII")}
		}
	}
	return text, nil
}

func fromKey(pathOrText string) (*credential, error) {
	read := keyfile.Read
	if strings.HasPrefix(strings.TrimSpace(pathOrText), "{") {
		read = func(text string) (*keyfile.File, error) { return keyfile.Parse([]byte(text)) }
	}
	key, err := read(pathOrText)
	if err != nil {
		return nil, &Misuse{fmt.Errorf("key file: %w", err)}
	}
	return &credential{key: key}, nil
}

// identity is what tells one credential from another.
func (c *credential) identity() string {
	switch {
	case c.key != nil:
		return "key " + c.key.ID
	case c.oauth != "":
		return "oauth " + c.oauth
	case c.signIn != nil:
		return "sign-in " + c.signIn.ID
	}
	return "iam " + c.iamToken
}

// keeping returns a token that was kept, or one that is made and kept.
func (s *session) keeping(c *credential, impersonated string, renew func() (profile.Token, error)) (profile.Token, error) {
	if !c.keeps || c.iamToken != "" && impersonated == "" {
		return renew()
	}
	key := s.tokenKey(c, impersonated)
	fresh := false
	kept, unkept, err := s.tokens().Renew(key, s.env.Now, func() (profile.Token, error) {
		fresh = true
		return renew()
	})
	if unkept != nil {
		s.tell("the IAM token is not kept for the next command: %v", unkept)
	}
	s.kept = ""
	if !fresh {
		s.kept = key
	}
	return kept, err
}

// forget throws the token in use away, which was kept.
func (s *session) forget() {
	s.tokens().Drop(s.kept)
	if c, err := s.credential(); err == nil { // an impersonation's own base may be what ended
		s.tokens().Drop(s.tokenKey(c, ""))
	}
	s.kept, s.bearer = "", iam.Secret{}
}

// make makes an IAM token of a credential.
func (s *session) make(ctx context.Context, c *credential) (profile.Token, error) {
	switch {
	case c.iamToken != "":
		got := profile.Token{Text: iam.NewSecret(c.iamToken)}
		if claims, err := token.ParseUnverified(c.iamToken); err == nil {
			got.ExpiresAt = claims.ExpiresAt
		}
		return got, nil
	case c.key != nil:
		return s.exchangeKey(ctx, c.key)
	case c.oauth != "":
		return s.exchange(ctx, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: c.oauth}})
	case c.signIn != nil:
		return s.renewSignIn(ctx, c.signIn)
	}
	return s.fromMetadata(ctx)
}

// jwtLife is as long as the server allows; the JWT is used once, at once.
const jwtLife = time.Hour

// tokensPath ends the audience of a server [API fact: JWT audience].
const tokensPath = "/iam/v1/tokens"

func (s *session) exchangeKey(ctx context.Context, key *keyfile.File) (profile.Token, error) {
	got, err := s.exchangeAt(ctx, key, s.env.Now())
	if err == nil || !aboutClock(err) {
		return got, err
	}
	return s.exchangeShifted(ctx, key, err)
}

func (s *session) exchangeAt(ctx context.Context, key *keyfile.File, now time.Time) (profile.Token, error) {
	if s.audience == "" {
		s.audience = keyfile.PublicAudience
	}
	for {
		jwt, err := keyfile.SignJWT(key, s.audience, now, jwtLife)
		if err != nil {
			return profile.Token{}, &Misuse{fmt.Errorf("key file: %w", err)}
		}
		got, err := s.exchange(ctx, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: jwt.Reveal()}})
		if own := "https://" + s.endpoint + tokensPath; refusedFor(err, "another audience") && s.audience != own {
			s.audience = own // the server's operator does not take the public cloud's
			continue
		}
		return got, err
	}
}

func (s *session) exchange(ctx context.Context, r *iampb.CreateIamTokenRequest) (profile.Token, error) {
	answer := new(iampb.CreateIamTokenResponse)
	began := s.env.Now()
	if err := s.send(ctx, iampb.IamTokenService_Create_FullMethodName, r, answer); err != nil {
		return profile.Token{}, fmt.Errorf("get an IAM token: %w", err)
	}
	return s.received(answer.GetIamToken(), answer.GetExpiresAt(), began), nil
}

// received is a token that the server has just made. Its times are told by this
// machine's clock, whatever that says, so that it is renewed in time.
func (s *session) received(text string, expires *timestamppb.Timestamp, began time.Time) profile.Token {
	now := s.env.Now()
	got := profile.Token{Text: iam.NewSecret(text), IssuedAt: now, ExpiresAt: expires.AsTime()}
	if !expires.IsValid() {
		got.ExpiresAt = now.Add(time.Minute) // [client fact: the SDKs' answer to none]
	}
	if claims, err := token.ParseUnverified(text); err == nil {
		s.compareClocks(claims.IssuedAt, began, now)
		got.ExpiresAt = now.Add(claims.ExpiresAt.Sub(claims.IssuedAt))
	}
	return got
}
