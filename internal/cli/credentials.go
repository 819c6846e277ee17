package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
)

// authenticate finds an IAM token: the one that is given, or one exchanged for
// a JWT of the key file. What is on the command line goes before the environment.
func (s *session) authenticate(ctx context.Context) error {
	token, key := s.token, s.keyFile
	if token != "" && key != "" {
		return misuse("--token and --key-file exclude each other")
	}
	if token == "" && key == "" {
		token = s.env.variable(envToken)
	}
	if token == "" && key == "" {
		key = s.env.variable(envKeyFile)
	}
	switch {
	case token != "":
		token = strings.TrimSpace(token)
		for _, c := range []byte(token) {
			if c <= ' ' || c > '~' {
				return &Misuse{errors.New("the token is not one word of ASCII")}
			}
		}
		s.bearer = iam.NewSecret(token)
		return nil
	case key != "":
		return s.exchange(ctx, key)
	}
	return misuse("say who you are: --key-file or $%s, --token or $%s", envKeyFile, envToken)
}

// jwtLife is as long as the server allows; the JWT is used once, at once.
const jwtLife = time.Hour

func (s *session) exchange(ctx context.Context, pathOrText string) error {
	var key *keyfile.File
	var err error
	if strings.HasPrefix(strings.TrimSpace(pathOrText), "{") {
		key, err = keyfile.Parse([]byte(pathOrText))
	} else {
		key, err = keyfile.Read(pathOrText)
	}
	if err != nil {
		return &Misuse{fmt.Errorf("key file: %w", err)}
	}
	jwt, err := keyfile.SignJWT(key, keyfile.PublicAudience, s.env.Now(), jwtLife)
	if err != nil {
		return &Misuse{fmt.Errorf("key file: %w", err)}
	}
	answer := new(iampb.CreateIamTokenResponse)
	err = s.send(ctx, iampb.IamTokenService_Create_FullMethodName,
		&iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: jwt.Reveal()}}, answer)
	if err != nil {
		return fmt.Errorf("get an IAM token: %w", err)
	}
	s.bearer = iam.NewSecret(answer.GetIamToken())
	return nil
}
