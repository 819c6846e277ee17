// Command propusk is the one program of Propusk: the server, the development
// server, and what an operator does to them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/propusk/propusk/internal/cli"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
)

// program is what a command may touch of the world outside.
type program struct {
	name    string // as the user typed it
	environ []string
	stdout  io.Writer
	stderr  io.Writer
}

// command is one word of the command line.
type command struct {
	name, summary string
	run           func(ctx context.Context, p *program, args []string) error
}

var commands = []command{
	{"dev", "run a whole IAM on this machine, with everything made for you", runDev},
	{"serve", "run the server", runServe},
	{"metadata", "give the programs of this machine tokens at the metadata address", runMetadata},
	{"bootstrap", "make an organization with an owner and the owner's key", runBootstrap},
	{"user", "make, list, suspend and remove people, and make and revoke their OAuth tokens", runUser},
	{"organization", "say whether an organization's members may have refresh tokens", runOrganization},
	{"mail", "send a letter to see whether mail arrives: mail test", runMail},
	{"jwt", "sign a JWT with a key file, to exchange for an IAM token", runJWT},
	{"rotate-keys", "make new signing keys, or distrust one", runRotateKeys},
	{"root-key", "print the key that verifiers pin", runRootKey},
	{"audit", "read and check the audit log: audit list, audit verify", runAudit},
	{"role", "import, list, export and delete roles, scopes of API keys and resource types", runRole},
	{"resource", "keep the resources of other services, and who has access to them", runResource},
	{"iam", "service accounts, their keys, tokens, roles and people", runIAM},
	{"init", "sign in and make a profile of the client, step by step", treeOf("init")},
	{"resource-manager", "clouds and folders", treeOf("resource-manager")},
	{"organization-manager", "organizations, their groups and members", treeOf("organization-manager")},
	{"quota-manager", "quotas of clouds and organizations, and requests for more", treeOf("quota-manager")},
	{"container", "have docker ask this program for passwords of registries: container registry configure-docker", treeOf("container")},
	{"docker-credential", "give docker, helm and their like an IAM token for the registries that they are told of", treeOf("docker-credential")},
	{"git-credential", "give git an IAM token for the hosts that it is told of", treeOf("git-credential")},
	{"k8s", "tokens and settings for kubectl: k8s create-token", treeOf("k8s")},
	{"operation", "show changes that are under way, and wait for their end", treeOf("operation")},
	{"access", "tell why a subject may do something, or may not: access explain", runAccess},
	{"quota", "show and set how much clouds and organizations may hold; decide requests for more", runQuota},
	{"function", "run a handler as a cloud function is run, with a service account's token: function run", runFunction},
	{"scan", "find credentials in files, in git's history or in standard input; verify and revoke them", runScan},
	{"config", "print the settings in force, as a config file; config get|list|set|unset|profile keep the client's profiles", runConfig},
	{"completion", "print the completion of a shell", treeOf("completion")},
	{"version", "print the version", runVersion},
}

// Exit codes: 0 done, 1 failed, 2 misused; `propusk scan` has one more, and
// client commands those of cli.ExitCodes.
func main() {
	ctx := untilSignal()
	p := &program{name: "propusk", environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr}
	if calledYC(os.Args[0]) {
		os.Exit(p.tree(ctx, "yc", os.Args[1:]))
	}
	if helper, ok := calledDocker(os.Args[0]); ok {
		os.Exit(p.dockerHelper(ctx, helper, os.Args[1:]))
	}
	os.Exit(p.main(ctx, os.Args[1:]))
}

// untilSignal ends with the first SIGINT or SIGTERM, which is its cause; a
// second one ends the program at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		by := <-signals
		signal.Stop(signals)
		number, _ := by.(syscall.Signal)
		cancel(&cli.Signalled{Number: int(number)})
	}()
	return ctx
}

func (p *program) main(ctx context.Context, args []string) int {
	if len(args) > 0 && args[0] == completeWord {
		p.offer(args[1:])
		return p.tree(ctx, p.name, args)
	}
	if len(args) > 1 && args[0] == "help" {
		args = append(args[1:], "-h")
	}
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		p.usage(p.stdout)
		return 0
	}
	if args[0] == "--version" || args[0] == "-v" {
		args = append([]string{"version"}, args[1:]...)
	}
	for _, c := range commands {
		if c.name == args[0] {
			return p.exit(c.name, c.run(ctx, p, args[1:]))
		}
	}
	fmt.Fprintf(p.stderr, "propusk: unknown command %q\n\n", args[0])
	p.usage(p.stderr)
	return 2
}

func (p *program) usage(w io.Writer) {
	fmt.Fprintf(w, "Propusk: identity and access management that speaks the API of Yandex Cloud IAM.\n\nUsage: propusk COMMAND [flags]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-20s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(w, "\n`propusk COMMAND -h` explains a command. Linked as yc, the program has the client's commands alone.\n\n%s", cli.ExitCodes(0))
}

// misuse is an error of the person at the keyboard.
type misuse struct{ error }

func (p *program) exit(name string, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	}
	if done, ok := errors.AsType[*treeExit](err); ok {
		return done.code
	}
	if scanned, ok := errors.AsType[*cli.ScanOutcome](err); ok {
		if text := scanned.Error(); text != "" {
			fmt.Fprintf(p.stderr, "propusk %s: %s\n", name, text)
		}
		return scanned.Code
	}
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = "interrupted"
	}
	var shown *iam.Error
	if errors.As(err, &shown) {
		text = strings.Replace(text, shown.Kind.Error()+": ", "", 1)
	}
	fmt.Fprintf(p.stderr, "propusk %s: %s\n", name, iam.Conceal(text)) // people put secrets where other words belong
	var config *server.ConfigError
	var wrong misuse
	var wrongClient *cli.Misuse
	if errors.As(err, &config) || errors.As(err, &wrong) || errors.As(err, &wrongClient) {
		return 2
	}
	return 1
}

// parse reads a command's flags when it takes no settings of the server.
func (p *program) parse(fs *flag.FlagSet, args []string) error {
	fs.SetOutput(io.Discard) // p.exit says what is wrong, once
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(p.stdout, "Usage: %s [flags]\n\n", fs.Name())
		server.PrintFlags(p.stdout, fs)
		return err
	case err != nil:
		return misuse{cli.FlagError(fs, err)}
	case fs.NArg() > 0:
		return misuse{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
	}
	return nil
}

func runVersion(_ context.Context, p *program, args []string) error {
	if err := p.parse(flag.NewFlagSet("propusk version", flag.ContinueOnError), args); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, server.Version())
	return nil
}
