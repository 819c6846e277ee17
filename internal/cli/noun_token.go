package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// createToken prints the IAM token that other commands would work with.
func createToken() command {
	return command{verb: "create-token", summary: "print an IAM token: yours, or with --impersonate-service-account-id that of a service account", flags: func(*flag.FlagSet) action {
		return func(ctx context.Context, s *session, _ []string) error {
			if err := s.authenticate(ctx); err != nil {
				return err
			}
			if s.format == "text" && s.filter == "" {
				_, err := fmt.Fprintln(s.env.Stdout, s.bearer.Reveal()) // alone, for scripts
				return err
			}
			answer := &iampb.CreateIamTokenResponse{IamToken: s.bearer.Reveal()}
			if !s.expires.IsZero() {
				answer.ExpiresAt = timestamppb.New(s.expires)
			}
			return s.print(ctx, answer)
		}
	}}
}

// whoami shows who the person is to the server: his account as it is there,
// or what his token says when he may not see even that.
func whoami() command {
	return command{verb: "whoami", summary: "show who you are", flags: func(*flag.FlagSet) action {
		return func(ctx context.Context, s *session, _ []string) error {
			if err := s.authenticate(ctx); err != nil {
				return err
			}
			claims, err := token.ParseUnverified(s.bearer.Reveal())
			if err != nil {
				return errors.New("the IAM token does not say whose it is: only this server's own tokens do")
			}
			// The account may have ended, or the token, which only the server knows.
			if claims.SubjectType == token.SubjectServiceAccount {
				err = s.show(ctx, iampb.ServiceAccountService_Get_FullMethodName, &iampb.GetServiceAccountRequest{ServiceAccountId: claims.SubjectID}, new(iampb.ServiceAccount))
			} else {
				err = s.show(ctx, iampb.UserAccountService_Get_FullMethodName, &iampb.GetUserAccountRequest{UserAccountId: claims.SubjectID}, new(iampb.UserAccount))
			}
			f, refused := errors.AsType[*Failure](err)
			if !refused || f.Code != iam.PermissionDenied && f.Code != iam.NotFound {
				return err
			}
			text, err := json.Marshal(struct {
				ID   string `json:"id"`
				Type string `json:"type"`
			}{claims.SubjectID, claims.SubjectType})
			if err != nil {
				return err
			}
			return s.printer().JSON(ctx, text)
		}
	}}
}
