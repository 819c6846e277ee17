package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/propusk/propusk/internal/server"
)

// runResource sends what the API has to a server; roots are the operator's own.
func runResource(ctx context.Context, p *program, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "register-root":
			return runRegisterRoot(ctx, p, args[1:])
		case "unregister-root":
			return runUnregisterRoot(ctx, p, args[1:])
		case "cloud", "clouds", "folder", "folders": // as the command line tool that people know has it
			return treeOf("resource-manager")(ctx, p, args)
		}
	}
	err := p.client(ctx, "resource", args)
	if errors.Is(err, flag.ErrHelp) && len(args) == 1 {
		fmt.Fprint(p.stdout, `
On the server's machine:
  register-root          register a resource that stands below nothing, with its admin
  unregister-root        remove one, with all below it
`)
	}
	return err
}

func runRegisterRoot(ctx context.Context, p *program, args []string) error {
	var r server.RegisterRootRequest
	cfg, log, err := p.settings("resource register-root", args, func(f *flag.FlagSet) {
		f.StringVar(&r.Type, "type", "", "a type that stands below nothing, such as iam.gizmo; required")
		f.StringVar(&r.ID, "id", "", "the id that the service knows it by; required")
		f.StringVar(&r.Name, "name", "", "its name")
		f.StringVar(&r.Owner, "owner", "", "id of the service account or person who becomes its admin; required")
	})
	if err != nil {
		return err
	}
	for _, v := range [...][2]string{{"type", r.Type}, {"id", r.ID}, {"owner", r.Owner}} {
		if v[1] == "" {
			return misuse{fmt.Errorf("--%s is missing", v[0])}
		}
	}
	made, err := server.Operate(ctx, *cfg, log, server.PathRegisterRoot, (*server.Server).RegisterRoot, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s %s is registered; %s is its admin\n", made.Type, made.ID, r.Owner)
	return nil
}

func runUnregisterRoot(ctx context.Context, p *program, args []string) error {
	var r server.UnregisterRootRequest
	cfg, log, err := p.settings("resource unregister-root", args, func(f *flag.FlagSet) {
		f.StringVar(&r.ID, "id", "", "id of the root; it is never used again; required")
	})
	if err != nil {
		return err
	}
	if r.ID == "" {
		return misuse{errors.New("--id is missing")}
	}
	gone, err := server.Operate(ctx, *cfg, log, server.PathUnregisterRoot, (*server.Server).UnregisterRoot, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s %s is removed with all below it\n", gone.Type, gone.ID)
	return nil
}
