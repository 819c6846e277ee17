package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
)

const organizationUsage = `Usage: propusk organization refresh-tokens ORGANIZATION [on|off|dpop]

Says whether programs may be given refresh tokens for the members of an
organization, by which they go on for 31 days after the last use without a new
sign-in: not unless it is said. A person gets one when all organizations that he
is a member of have it on. With "dpop" a refresh token has to be bound to a key of
the program's. What the members may not have any more ends at once. Without a word
after the organization the command shows how it is.
`

func runOrganization(ctx context.Context, p *program, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "refresh-tokens":
			return runRefreshTokens(ctx, p, args[1:])
		case "-h", "--help", "help":
			fmt.Fprint(p.stdout, organizationUsage)
			return nil
		}
	}
	return misuse{errors.New("say what to do: organization refresh-tokens")}
}

func runRefreshTokens(ctx context.Context, p *program, args []string) error {
	words, flags := splitWords(args, 2)
	cfg, log, err := p.settings("organization refresh-tokens", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return misuse{errors.New("name the organization by its id: organization refresh-tokens ORGANIZATION on|off|dpop")}
	}
	r := server.RefreshTokensRequest{Organization: words[0]}
	if len(words) == 2 {
		r.Setting = iam.RefreshTokenSetting(strings.ToUpper(words[1]))
		switch r.Setting {
		case iam.RefreshTokensOn, iam.RefreshTokensOff, iam.RefreshTokensDPoP:
		default:
			return misuse{errors.New("refresh tokens are on, off or dpop")}
		}
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathOrganizationRefreshTokens, (*server.Server).SetRefreshTokens, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "Refresh tokens of members of %s: %s\n", got.Organization, strings.ToLower(string(got.Setting)))
	if got.Ended > 0 {
		fmt.Fprintf(p.stderr, "%d programs lost theirs, with the IAM tokens made of them.\n", got.Ended)
	}
	return nil
}
