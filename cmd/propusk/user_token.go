package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/propusk/propusk/internal/server"
)

func runUserToken(ctx context.Context, p *program, args []string) error {
	var r server.UserTokenRequest
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user token", flags, func(f *flag.FlagSet) {
		f.StringVar(&r.Description, "description", "", "what the token is for, to know it by in the list")
	})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user token LOGIN")}
	}
	r.User = words[0]
	made, err := server.Operate(ctx, *cfg, log, server.PathUserToken, (*server.Server).MakeUserToken, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "OAuth token %s of %s, good until %s. It is shown this once.\n", made.ID, made.UserID, made.ExpiresAt.Format(time.RFC3339))
	if _, err := fmt.Fprintln(p.stdout, made.Secret); err != nil {
		return fmt.Errorf("OAuth token %s was made, but could not be shown; revoke it: %w", made.ID, err)
	}
	return nil
}

func runUserTokens(ctx context.Context, p *program, args []string) error {
	var r server.UserTokensRequest
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user tokens", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user tokens LOGIN")}
	}
	r.User = words[0]
	got, err := server.Operate(ctx, *cfg, log, server.PathUserTokens, (*server.Server).ListUserTokens, r)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTOKEN\tCREATED\tEXPIRES\tLAST USED\tDESCRIPTION")
	for _, t := range got.Tokens {
		last := "-"
		if !t.LastUsedAt.IsZero() {
			last = t.LastUsedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Masked,
			t.CreatedAt.Format(time.RFC3339), t.ExpiresAt.Format(time.RFC3339), last, orDash(t.Description))
	}
	return w.Flush()
}

func runUserRevokeToken(ctx context.Context, p *program, args []string) error {
	var r server.UserRevokeTokenRequest
	words, flags := splitWords(args, 1, "iam-tokens")
	cfg, log, err := p.settings("user revoke-token", flags, func(f *flag.FlagSet) {
		f.BoolVar(&r.IAMTokens, "iam-tokens", false, "end every IAM token of the person, too, that was made so far; without it they live on for up to 12 hours")
	})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the token by its id: user revoke-token ID")}
	}
	if strings.HasPrefix(words[0], "y0_") { // and it is not repeated
		return misuse{errors.New("this is an OAuth token itself, which others on the machine may have seen now; user tokens LOGIN shows its id by the end of it")}
	}
	r.ID = words[0]
	gone, err := server.Operate(ctx, *cfg, log, server.PathUserRevokeToken, (*server.Server).RevokeUserToken, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "OAuth token %s of %s is revoked\n", gone.ID, gone.UserID)
	if r.IAMTokens {
		fmt.Fprintf(p.stdout, "Every IAM token of %s is revoked\n", gone.UserID)
	}
	return nil
}

func runUserSuspend(ctx context.Context, p *program, args []string) error {
	var r server.UserSuspendRequest
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user suspend", flags, func(f *flag.FlagSet) {
		f.StringVar(&r.Reason, "reason", "", "why, for the audit log")
	})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user suspend LOGIN")}
	}
	r.User = words[0]
	out, err := server.Operate(ctx, *cfg, log, server.PathUserSuspend, (*server.Server).SuspendUser, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s (%s) is suspended: all tokens are revoked, roles stay\n", out.ID, out.Login)
	return nil
}

func runUserReactivate(ctx context.Context, p *program, args []string) error {
	var r server.UserSuspendRequest
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user reactivate", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user reactivate LOGIN")}
	}
	r.User = words[0]
	out, err := server.Operate(ctx, *cfg, log, server.PathUserReactivate, (*server.Server).ReactivateUser, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s (%s) is active\n", out.ID, out.Login)
	return nil
}
