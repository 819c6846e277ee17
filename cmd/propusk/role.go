package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/propusk/propusk/internal/server"
)

const roleUsage = `Usage: propusk role import FILE [--organization ID]
       propusk role list [--organization ID]
       propusk role export [--organization ID]
       propusk role delete ID [--kind scope|resourceType]

Defines roles, scopes of API keys and resource types beside the builtin ones, for
everybody or as roles of one organization: docs/roles.md has the format. A
running server uses them at once.
`

func runRole(ctx context.Context, p *program, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "import":
			return runRoleImport(ctx, p, args[1:])
		case "list":
			return runRoleList(ctx, p, args[1:])
		case "export":
			return runRoleExport(ctx, p, args[1:])
		case "delete":
			return runRoleDelete(ctx, p, args[1:])
		case "-h", "--help", "help":
			fmt.Fprint(p.stdout, roleUsage)
			return nil
		}
	}
	return misuse{errors.New("say what to do: role import, role list, role export, or role delete")}
}

func roleOrganization(f *flag.FlagSet, id *string) {
	f.StringVar(id, "organization", "", "id of the organization whose own roles are meant; without it, everybody's")
}

// mostRoleFile is more than a server takes, so that it is the server who says
// what is too much, and little enough for the memory.
const mostRoleFile = 1 << 20

func runRoleImport(ctx context.Context, p *program, args []string) error {
	var r server.RoleImportRequest
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("role import", flags, func(f *flag.FlagSet) { roleOrganization(f, &r.Organization) })
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the file: role import FILE")}
	}
	r.Name = words[0]
	file, err := os.Open(r.Name)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mostRoleFile))
	if err != nil {
		return err
	}
	r.File = string(text)
	got, err := server.Operate(ctx, *cfg, log, server.PathRoleImport, (*server.Server).RoleImport, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%d new or changed, %d as before\n", got.Changed, got.Unchanged)
	return nil
}

func runRoleList(ctx context.Context, p *program, args []string) error {
	var r server.RoleListRequest
	cfg, log, err := p.settings("role list", args, func(f *flag.FlagSet) { roleOrganization(f, &r.Organization) })
	if err != nil {
		return err
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathRoleList, (*server.Server).RoleList, r)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROLE\tFROM\tWHAT")
	for _, role := range got.Roles {
		from := "server"
		switch {
		case role.Organization != "":
			from = role.Organization
		case role.Imported:
			from = "imported"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", role.ID, from, strings.Join(strings.Fields(role.Description), " "))
	}
	return w.Flush()
}

func runRoleExport(ctx context.Context, p *program, args []string) error {
	var r server.RoleExportRequest
	cfg, log, err := p.settings("role export", args, func(f *flag.FlagSet) { roleOrganization(f, &r.Organization) })
	if err != nil {
		return err
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathRoleExport, (*server.Server).RoleExport, r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(p.stdout, got.File)
	return err
}

func runRoleDelete(ctx context.Context, p *program, args []string) error {
	var r server.RoleDeleteRequest
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("role delete", flags, func(f *flag.FlagSet) {
		f.StringVar(&r.Kind, "kind", "role", "what is to be deleted: role, scope or resourceType")
	})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the role: role delete ID")}
	}
	if r.Kind != "role" && r.Kind != "scope" && r.Kind != "resourceType" {
		return misuse{fmt.Errorf("--kind: %q is none of role, scope, resourceType", r.Kind)}
	}
	r.ID = words[0]
	if _, err := server.Operate(ctx, *cfg, log, server.PathRoleDelete, (*server.Server).RoleDelete, r); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s %s is deleted\n", r.Kind, r.ID)
	return nil
}
