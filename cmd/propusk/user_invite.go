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

func runUserInvite(ctx context.Context, p *program, args []string) error {
	r := server.UserInviteRequest{}
	expires := "168h"
	cfg, log, err := p.settings("user invite", args, func(f *flag.FlagSet) {
		f.StringVar(&r.Email, "email", "", "e-mail address of the new account, for which you vouch; required")
		f.StringVar(&r.Name, "name", "", "name that is proposed to the person")
		f.Func("organization", "id of an organization that the person becomes a member of; may be given several times", func(id string) error {
			r.Organizations = append(r.Organizations, id)
			return nil
		})
		f.StringVar(&expires, "expires", expires, "how long the link works, up to 90d")
		f.BoolVar(&r.Send, "send", false, "send the link to the address in place of printing it; needs smtp-address")
		languageFlag(f, &r.Language)
	})
	if err != nil {
		return err
	}
	if r.Email == "" {
		return misuse{errors.New("--email: say whom to invite")}
	}
	if r.Expires, err = server.ParseDuration(expires); err != nil {
		return misuse{fmt.Errorf("--expires: %w", err)}
	}
	made, err := server.Operate(ctx, *cfg, log, server.PathUserInvite, (*server.Server).InviteUser, r)
	if err != nil {
		return err
	}
	until := made.ExpiresAt.Format(time.RFC3339)
	if made.Link == "" {
		fmt.Fprintf(p.stdout, "invitation %s goes to %s by mail; its link works once, until %s\n", made.ID, made.Email, until)
		return nil
	}
	fmt.Fprintf(p.stderr, "Whoever opens this link makes the account of %s, once, until %s (invitation %s). Give it to nobody else.\n", made.Email, until, made.ID)
	fmt.Fprintln(p.stdout, made.Link)
	return nil
}

func languageFlag(f *flag.FlagSet, language *string) {
	*language = "en"
	f.Func("language", "language of the letter, en or ru; unset, en", func(text string) error {
		if text != "en" && text != "ru" {
			return errors.New("it is neither en nor ru")
		}
		*language = text
		return nil
	})
}

func runUserInvitations(ctx context.Context, p *program, args []string) error {
	var r server.UserInvitationsRequest
	cfg, log, err := p.settings("user invitations", args, func(f *flag.FlagSet) {
		f.StringVar(&r.After, "after", "", "go on after this id, the last one of the page before")
		f.IntVar(&r.Limit, "limit", 100, "so many at most, up to 1000")
	})
	if err != nil {
		return err
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathUserInvitations, (*server.Server).ListInvitations, r)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tE-MAIL\tNAME\tFROM\tMADE\tENDS\tORGANIZATIONS")
	for _, i := range got.Invitations {
		from := "operator"
		if i.SignUp {
			from = "sign-up"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.Email, orDash(i.Name), from, i.CreatedAt.Format(time.RFC3339),
			i.ExpiresAt.Format(time.RFC3339), orDash(strings.Join(i.Organizations, ",")))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if got.More {
		fmt.Fprintln(p.stderr, "There are more: propusk user invitations --after", got.Invitations[len(got.Invitations)-1].ID)
	}
	return nil
}

func runUserRevokeInvitation(ctx context.Context, p *program, args []string) error {
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user revoke-invitation", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the invitation: user revoke-invitation ID")}
	}
	r := server.UserRevokeInvitationRequest{ID: words[0]}
	if _, err := server.Operate(ctx, *cfg, log, server.PathUserRevokeInvitation, (*server.Server).RevokeInvitation, r); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "invitation %s is taken back\n", r.ID)
	return nil
}

const mailUsage = `Usage: propusk mail test ADDRESS [--language en|ru]

Sends a letter at once, by the smtp-… settings of the server, and tells what failed.
`

func runMail(ctx context.Context, p *program, args []string) error {
	switch {
	case len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "help"):
		fmt.Fprint(p.stdout, mailUsage)
		return nil
	case len(args) == 0 || args[0] != "test":
		return misuse{errors.New("say what to do: mail test ADDRESS")}
	}
	var r server.MailTestRequest
	words, flags := splitWords(args[1:], 1)
	cfg, log, err := p.settings("mail test", flags, func(f *flag.FlagSet) { languageFlag(f, &r.Language) })
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the mailbox: mail test ADDRESS")}
	}
	r.Address = words[0]
	if _, err := server.Operate(ctx, *cfg, log, server.PathMailTest, (*server.Server).TestMail, r); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "the SMTP server has taken a letter to %s\n", r.Address)
	return nil
}
