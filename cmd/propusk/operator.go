package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/propusk/propusk/internal/server"
)

// settings loads what an operator's command needs to find the data.
func (p *program) settings(name string, args []string, own func(*flag.FlagSet)) (*server.Config, *slog.Logger, error) {
	cfg, err := server.Load(server.LoadOptions{
		Command: "propusk " + name, Args: args, Environ: p.environ, Output: p.stdout, Flags: own, Brief: true})
	if err != nil {
		return nil, nil, err
	}
	cfg.LogLevel = max(cfg.LogLevel, slog.LevelWarn) // the answer is what the command prints
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: cfg.LogLevel}))
	return cfg, log, nil
}

func runBootstrap(ctx context.Context, p *program, args []string) error {
	var r server.BootstrapRequest
	var keyFile string
	cfg, log, err := p.settings("bootstrap", args, func(f *flag.FlagSet) {
		f.StringVar(&r.Organization, "organization", "", "name of the new organization; required")
		f.StringVar(&r.Cloud, "cloud", "main", "name of its first cloud")
		f.StringVar(&r.Folder, "folder", "default", "name of its first folder")
		f.StringVar(&r.Account, "account", "owner", "name of the service account that owns the organization and the cloud")
		f.StringVar(&keyFile, "key-file", "owner-key.json", "file for the owner's authorized key; it must not be there")
	})
	if err != nil {
		return err
	}
	if r.Organization == "" {
		return misuse{errors.New("--organization: the new organization needs a name")}
	}
	// Made before anything else: a key that cannot be written down is lost.
	out, err := os.OpenFile(keyFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return misuse{fmt.Errorf("%s is there already; name another --key-file", keyFile)}
	}
	if err != nil {
		return err
	}
	made, err := server.Operate(ctx, *cfg, log, server.PathBootstrap, (*server.Server).Bootstrap, r)
	if err != nil {
		return errors.Join(err, out.Close(), os.Remove(keyFile))
	}
	_, err = out.WriteString(made.KeyFile)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("the organization is made, but its owner's key could not be written: %w", err)
	}
	fmt.Fprintf(p.stdout, "organization     %s\ncloud            %s\nfolder           %s\nservice account  %s\nkey              %s, in %s\n",
		made.OrganizationID, made.CloudID, made.FolderID, made.ServiceAccountID, made.KeyID, keyFile)
	return nil
}

func runRotateKeys(ctx context.Context, p *program, args []string) error {
	var r server.RotateKeysRequest
	var m server.RotateMasterRequest
	var master bool
	cfg, log, err := p.settings("rotate-keys", args, func(f *flag.FlagSet) {
		f.StringVar(&r.Distrust, "distrust", "", "id of a signing key that is no longer to be trusted: every token that it signed ends")
		f.BoolVar(&master, "master", false, "leave the signing keys as they are, and seal every secret at rest under the master key that is first now")
		f.BoolVar(&m.NewKey, "new-key", false, "with --master: first put a new master key on top of the file that they come from")
		f.BoolVar(&m.Check, "check", false, "with --master: change nothing, and count what is sealed under which master key")
	})
	if err != nil {
		return err
	}
	switch {
	case master && r.Distrust != "":
		return misuse{errors.New("--master and --distrust are two commands")}
	case master:
		return rotateMaster(ctx, p, cfg, log, m)
	case m != server.RotateMasterRequest{}:
		return misuse{errors.New("--new-key and --check belong to --master")}
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathRotateKeys, (*server.Server).RotateKeys, r)
	if err != nil {
		return err
	}
	for _, k := range got.Keys {
		until := "open"
		if !k.SignsUntil.IsZero() {
			until = k.SignsUntil.Format(time.RFC3339)
		}
		signs := "signs"
		if k.Signs != "" {
			signs += " " + k.Signs
		}
		fmt.Fprintf(p.stdout, "%s  %s from %s until %s\n", k.ID, signs, k.SignsFrom.Format(time.RFC3339), until)
	}
	return nil
}

func runRootKey(ctx context.Context, p *program, args []string) error {
	cfg, log, err := p.settings("root-key", args, nil)
	if err != nil {
		return err
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathRootKey, (*server.Server).RootKey, struct{}{})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, base64.StdEncoding.EncodeToString(got.RootKey))
	return nil
}

func runAudit(ctx context.Context, p *program, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "list":
			return runAuditList(ctx, p, args[1:])
		case "verify":
			return runAuditVerify(ctx, p, args[1:])
		case "-h", "--help", "help":
			fmt.Fprintln(p.stdout, "Usage: propusk audit list|verify [flags]")
			return nil
		}
	}
	return misuse{errors.New("say what to do: audit list, or audit verify")}
}

func runAuditList(ctx context.Context, p *program, args []string) error {
	var r server.AuditListRequest
	var since, until string
	cfg, log, err := p.settings("audit list", args, func(f *flag.FlagSet) {
		f.StringVar(&since, "since", "", "from this time on: RFC 3339, or how long ago, such as 1h30m")
		f.StringVar(&until, "until", "", "before this time, in the same forms")
		f.StringVar(&r.Type, "type", "", "events of this type, such as yandex.cloud.audit.iam.CreateIamToken or iam.CreateIamToken")
		f.StringVar(&r.Subject, "subject", "", "what this subject did")
		f.StringVar(&r.Resource, "resource", "", "what was done to this resource, or below it")
		f.IntVar(&r.Limit, "limit", 100, "the newest so many lines, at most 10000")
	})
	if err != nil {
		return err
	}
	if r.Since, err = parseWhen(since); err != nil {
		return misuse{fmt.Errorf("--since: %w", err)}
	}
	if r.Until, err = parseWhen(until); err != nil {
		return misuse{fmt.Errorf("--until: %w", err)}
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathAuditList, (*server.Server).AuditList, r)
	if err != nil {
		return err
	}
	for _, line := range got.Events {
		if _, err := fmt.Fprintf(p.stdout, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

func runAuditVerify(ctx context.Context, p *program, args []string) error {
	cfg, log, err := p.settings("audit verify", args, nil)
	if err != nil {
		return err
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathAuditVerify, (*server.Server).AuditVerify, struct{}{})
	if err != nil {
		return err
	}
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(got)
}

// parseWhen reads a moment, or how long ago it was; "" is the zero time.
func parseWhen(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return time.Now().Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is neither an RFC 3339 time nor a duration such as 1h30m", s)
	}
	return t, nil
}
