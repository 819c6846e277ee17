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

func runUser(ctx context.Context, p *program, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "add":
			return runUserAdd(ctx, p, args[1:])
		case "join":
			return runUserJoin(ctx, p, args[1:])
		case "list":
			return runUserList(ctx, p, args[1:])
		case "remove":
			return runUserRemove(ctx, p, args[1:])
		case "token":
			return runUserToken(ctx, p, args[1:])
		case "tokens":
			return runUserTokens(ctx, p, args[1:])
		case "revoke-token":
			return runUserRevokeToken(ctx, p, args[1:])
		case "suspend":
			return runUserSuspend(ctx, p, args[1:])
		case "reactivate":
			return runUserReactivate(ctx, p, args[1:])
		case "password":
			return runUserPassword(ctx, p, args[1:])
		case "reset-link":
			return runUserResetLink(ctx, p, args[1:])
		case "invite":
			return runUserInvite(ctx, p, args[1:])
		case "invitations":
			return runUserInvitations(ctx, p, args[1:])
		case "revoke-invitation":
			return runUserRevokeInvitation(ctx, p, args[1:])
		case "sessions":
			return runUserSessions(ctx, p, args[1:])
		case "sign-out":
			return runUserSignOut(ctx, p, args[1:])
		case "connections":
			return runUserConnections(ctx, p, args[1:])
		case "disconnect":
			return runUserDisconnect(ctx, p, args[1:])
		case "-h", "--help", "help":
			fmt.Fprint(p.stdout, userUsage)
			return nil
		}
	}
	return misuse{errors.New("say what to do: user add, user join, user list, user remove, user token, user tokens, user revoke-token, user suspend, user reactivate, user password, user reset-link, user invite, user invitations, user revoke-invitation, user sessions, user sign-out, user connections, or user disconnect")}
}

const userUsage = `Usage: propusk user add|join|list|remove [flags]
       propusk user token LOGIN [--description TEXT]
       propusk user tokens LOGIN
       propusk user revoke-token ID [--iam-tokens]
       propusk user suspend LOGIN [--reason TEXT]
       propusk user reactivate LOGIN
       propusk user password LOGIN [--remove-second-factor]
       propusk user reset-link LOGIN
       propusk user invite --email ADDRESS [--name NAME] [--organization ID]… [--expires 168h] [--send]
       propusk user invitations
       propusk user revoke-invitation ID
       propusk user sessions LOGIN
       propusk user sign-out LOGIN
       propusk user connections LOGIN
       propusk user disconnect LOGIN PROVIDER

A person is named by login, id or e-mail address. "token" makes an OAuth token,
which is exchanged for IAM tokens, and prints it once. "password" asks for a
password, or reads it from a pipe; "reset-link" prints a link by which the person
sets one. Both end every session. "invite" prints a link by which somebody makes
an account of his own, or sends it there. "connections" lists accounts at other
providers by which the person may sign in; "disconnect" takes one away.
`

func runUserAdd(ctx context.Context, p *program, args []string) error {
	var r server.UserAddRequest
	cfg, log, err := p.settings("user add", args, func(f *flag.FlagSet) {
		f.StringVar(&r.Login, "login", "", "login of the new person; required")
		f.StringVar(&r.Email, "email", "", "e-mail address, by which the person is found as by the login")
		f.StringVar(&r.Name, "name", "", "full name as shown; unset, the two below")
		f.StringVar(&r.GivenName, "given-name", "", "given name")
		f.StringVar(&r.FamilyName, "family-name", "", "family name")
		f.Func("organization", "id of an organization that the person becomes a member of; may be given several times", func(id string) error {
			r.Organizations = append(r.Organizations, id)
			return nil
		})
	})
	if err != nil {
		return err
	}
	if r.Login == "" {
		return misuse{errors.New("--login: the new person needs one")}
	}
	made, err := server.Operate(ctx, *cfg, log, server.PathUserAdd, (*server.Server).AddUser, r)
	if err != nil {
		return err
	}
	return p.printUsers(made)
}

func runUserJoin(ctx context.Context, p *program, args []string) error {
	var r server.UserJoinRequest
	cfg, log, err := p.settings("user join", args, func(f *flag.FlagSet) {
		f.StringVar(&r.User, "user", "", "id, login or e-mail address of a person; required")
		f.StringVar(&r.Organization, "organization", "", "id of the organization that the person becomes a member of; required")
	})
	if err != nil {
		return err
	}
	if r.User == "" || r.Organization == "" {
		return misuse{errors.New("--user, --organization: both are needed")}
	}
	joined, err := server.Operate(ctx, *cfg, log, server.PathUserJoin, (*server.Server).JoinUser, r)
	if err != nil {
		return err
	}
	return p.printUsers(joined)
}

func runUserList(ctx context.Context, p *program, args []string) error {
	var r server.UserListRequest
	cfg, log, err := p.settings("user list", args, func(f *flag.FlagSet) {
		f.StringVar(&r.Organization, "organization", "", "only members of the organization with this id")
		f.StringVar(&r.After, "after", "", "go on after this id, the last one of the page before")
		f.IntVar(&r.Limit, "limit", 100, "so many at most, up to 1000")
	})
	if err != nil {
		return err
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathUserList, (*server.Server).ListUsers, r)
	if err != nil {
		return err
	}
	if err := p.printUsers(got.Users...); err != nil {
		return err
	}
	if got.More {
		more := "propusk user list --after " + got.Users[len(got.Users)-1].ID
		if r.Organization != "" {
			more += " --organization " + r.Organization
		}
		fmt.Fprintln(p.stderr, "There are more:", more)
	}
	return nil
}

func runUserRemove(ctx context.Context, p *program, args []string) error {
	var r server.UserRemoveRequest
	cfg, log, err := p.settings("user remove", args, func(f *flag.FlagSet) {
		f.StringVar(&r.User, "user", "", "id, login or e-mail address of a person; required")
		f.StringVar(&r.Organization, "organization", "", "id of an organization that the person leaves; unset, the person is deleted")
	})
	if err != nil {
		return err
	}
	if r.User == "" {
		return misuse{errors.New("--user: say who, by id, login or e-mail address")}
	}
	gone, err := server.Operate(ctx, *cfg, log, server.PathUserRemove, (*server.Server).RemoveUser, r)
	if err != nil {
		return err
	}
	if r.Organization != "" {
		fmt.Fprintf(p.stdout, "%s (%s) has left organization %s\n", gone.ID, gone.Login, r.Organization)
	} else {
		fmt.Fprintf(p.stdout, "%s (%s) is deleted\n", gone.ID, gone.Login)
	}
	return nil
}

func (p *program) printUsers(users ...*server.User) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tLOGIN\tE-MAIL\tNAME\tLAST SIGN-IN\tSTATUS\tORGANIZATIONS")
	for _, u := range users {
		last := "-"
		if !u.LastAuthenticatedAt.IsZero() {
			last = u.LastAuthenticatedAt.Format(time.RFC3339)
		}
		status := "active"
		if u.Suspended {
			status = "suspended"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.ID, u.Login, orDash(u.Email), orDash(u.Name), last, status, orDash(strings.Join(u.Organizations, ",")))
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
