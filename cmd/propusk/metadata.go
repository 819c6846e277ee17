package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/server"
)

const metadataHelp = `
Gives programs the tokens of a service account at the metadata address, as a
virtual machine does: in Google's and in EC2's manner (IMDSv2). The address must
be this machine's first: ip addr add 169.254.169.254/32 dev lo

A file for --config, with everything that there is:

`

// metadataFlags are the flags of `propusk metadata`.
type metadataFlags struct {
	file, listen, keyFile, debug, endpoint, ca, exchange, node, logFormat string

	plaintext  bool
	interfaces []string
	given      map[string]bool
}

func (f *metadataFlags) set() *flag.FlagSet {
	fs := flag.NewFlagSet("propusk metadata", flag.ContinueOnError)
	fs.StringVar(&f.file, "config", "", "a YAML file with several accounts and listeners; the flags below win over it")
	fs.StringVar(&f.listen, "listen", metadata.DefaultListen, "the address:port to serve")
	fs.Func("interface", "a network interface from which connections are taken (repeatable, Linux); without any, only this machine's programs are served", func(v string) error {
		f.interfaces = append(f.interfaces, v)
		return nil
	})
	fs.StringVar(&f.keyFile, "service-account-key-file", "", "the authorized key of the account whose tokens are given")
	fs.StringVar(&f.endpoint, "endpoint", "", "IAM's host:port for gRPC")
	fs.StringVar(&f.ca, "ca-file", "", "a PEM file with the authority of IAM's certificate; without it, the system's")
	fs.BoolVar(&f.plaintext, "plaintext", false, "speak to IAM without TLS, on loopback alone; so it is there unless --ca-file, --config or --plaintext=false is given")
	fs.StringVar(&f.exchange, "exchange-url", "", "IAM's public address, for accounts that have a token of another issuer")
	fs.StringVar(&f.node, "node", "", "the node of a Kubernetes cluster whose pods are told apart")
	fs.StringVar(&f.debug, "debug-listen", "", "the host:port for /metrics, /healthz and /readyz; without it, there is none")
	fs.StringVar(&f.logFormat, "log-format", server.LogText, "\"text\" or \"json\"")
	return fs
}

func runMetadata(ctx context.Context, p *program, args []string) error {
	settings, log, err := p.metadataSettings(args)
	if err != nil {
		return err
	}
	m, err := openMetadata(ctx, settings, log)
	if err != nil {
		return err
	}
	defer m.close()
	return m.run(ctx)
}

// metadataSettings reads the flags and the file.
func (p *program) metadataSettings(args []string) (*metadataSettings, *slog.Logger, error) {
	f := &metadataFlags{given: map[string]bool{}}
	fs := f.set()
	if err := p.parse(fs, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(p.stdout, metadataHelp, metadata.Example)
		}
		return nil, nil, err
	}
	fs.Visit(func(g *flag.Flag) { f.given[g.Name] = true })
	s, err := f.settings()
	if err != nil {
		return nil, nil, misuseOf(err)
	}
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	switch f.logFormat {
	case server.LogText:
		return &metadataSettings{Settings: s, again: f.settings}, slog.New(slog.NewTextHandler(p.stderr, options)), nil
	case server.LogJSON:
		return &metadataSettings{Settings: s, again: f.settings}, slog.New(slog.NewJSONHandler(p.stderr, options)), nil
	}
	return nil, nil, misuse{fmt.Errorf("--log-format: %q is neither %q nor %q", f.logFormat, server.LogText, server.LogJSON)}
}

// metadataSettings are settings that can be read again.
type metadataSettings struct {
	*metadata.Settings
	again func() (*metadata.Settings, error)
}

func misuseOf(err error) error {
	if _, ok := errors.AsType[*metadata.SettingsError](err); ok {
		return misuse{err}
	}
	return err
}

// settings are the file's with the flags over them.
func (f *metadataFlags) settings() (*metadata.Settings, error) {
	s := new(metadata.Settings)
	if f.file != "" {
		var err error
		if s, err = metadata.ReadSettings(f.file); err != nil {
			return nil, err
		}
	}
	for name, to := range map[string]*string{"endpoint": &s.Endpoint, "ca-file": &s.CAFile, "exchange-url": &s.ExchangeURL, "debug-listen": &s.DebugListen, "node": &s.Kubernetes.Node} {
		if f.given[name] {
			*to = map[string]string{"endpoint": f.endpoint, "ca-file": f.ca, "exchange-url": f.exchange, "debug-listen": f.debug, "node": f.node}[name]
		}
	}
	switch {
	case f.given["plaintext"]:
		s.Plaintext = f.plaintext
	case f.file == "" && s.CAFile == "": // as the client's commands have it
		s.Plaintext = iamclient.OnThisMachine(s.Endpoint)
	}
	if err := f.single(s); err != nil {
		return nil, err
	}
	if host, err := os.Hostname(); err == nil {
		for i := range s.Listeners {
			if l := &s.Listeners[i]; l.Instance.Hostname == "" && !l.Function {
				l.Instance.Hostname = host
			}
		}
	}
	return s, s.Check()
}

// single puts the one listener and the one account of the flags in place. They
// are for those who need no more, and do not mix with a file's own.
func (f *metadataFlags) single(s *metadata.Settings) error {
	var problems []string
	for _, name := range []string{"listen", "interface"} {
		if f.given[name] && len(s.Listeners) > 0 {
			problems = append(problems, "--"+name+": the file has listeners of its own")
		}
	}
	if f.keyFile != "" && len(s.Accounts) > 0 {
		problems = append(problems, "--service-account-key-file: the file has accounts of its own")
	}
	if len(problems) > 0 {
		return &metadata.SettingsError{Problems: problems}
	}
	if f.keyFile != "" {
		s.Accounts = []metadata.AccountSettings{{Name: "default", KeyFile: f.keyFile}}
	}
	if len(s.Accounts) == 0 && len(s.Listeners) == 0 {
		return &metadata.SettingsError{Problems: []string{"an account must be named: --service-account-key-file, or accounts in the file of --config"}}
	}
	if len(s.Listeners) == 0 {
		s.Listeners = []metadata.ListenerSettings{{Listen: f.listen, Interfaces: f.interfaces}}
	}
	return nil
}
