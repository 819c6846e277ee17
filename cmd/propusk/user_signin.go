package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/propusk/propusk/internal/server"
)

func runUserPassword(ctx context.Context, p *program, args []string) error {
	var r server.UserPasswordRequest
	words, flags := splitWords(args, 1, "remove-second-factor")
	cfg, log, err := p.settings("user password", flags, func(f *flag.FlagSet) {
		f.BoolVar(&r.RemoveSecondFactor, "remove-second-factor", false, "take the authenticator app, the passkeys and the recovery codes away, too, of a person who has lost them")
	})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user password LOGIN; the password is asked for, or read from standard input")}
	}
	r.User = words[0]
	if r.Password, err = readPassword(p.stderr, "New password of "+r.User); err != nil {
		return err
	}
	out, err := server.Operate(ctx, *cfg, log, server.PathUserPassword, (*server.Server).SetUserPassword, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s (%s) has a new password; every session has ended\n", out.ID, out.Login)
	return nil
}

func runUserResetLink(ctx context.Context, p *program, args []string) error {
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user reset-link", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user reset-link LOGIN")}
	}
	made, err := server.Operate(ctx, *cfg, log, server.PathUserResetLink, (*server.Server).MakeResetLink, server.UserResetLinkRequest{User: words[0]})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "Whoever opens this link sets the password of %s, once, until %s. Give it to nobody else.\n", made.UserID, made.ExpiresAt.Format(time.RFC3339))
	fmt.Fprintln(p.stdout, made.Link)
	return nil
}

func runUserSessions(ctx context.Context, p *program, args []string) error {
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user sessions", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user sessions LOGIN")}
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathUserSessions, (*server.Server).ListUserSessions, server.UserSessionsRequest{User: words[0]})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tBEGAN\tLAST SEEN\tENDS\tFACTORS\tADDRESS\tPLACE\tPROGRAM")
	for _, s := range got.Sessions {
		factors := 1
		if s.SecondFactor {
			factors = 2
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", s.ID, s.CreatedAt.Format(time.RFC3339), s.LastSeenAt.Format(time.RFC3339),
			s.ExpiresAt.Format(time.RFC3339), factors, orDash(s.Address), orDash(s.Place), orDash(s.UserAgent))
	}
	return w.Flush()
}

func runUserSignOut(ctx context.Context, p *program, args []string) error {
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user sign-out", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user sign-out LOGIN")}
	}
	out, err := server.Operate(ctx, *cfg, log, server.PathUserSignOut, (*server.Server).SignOutUser, server.UserSignOutRequest{User: words[0]})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is signed out: %d sessions have ended\n", out.UserID, out.Ended)
	return nil
}
