package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/cli"
	"github.com/propusk/propusk/internal/function"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/server"
)

// prefixFunction begins the ids of functions and their versions [API fact].
const prefixFunction = "d4e"

// interrupted is the exit code of a client command after Ctrl-C, as shells count SIGINT.
const interrupted = 130

// functionRun is a command line of `propusk function run`.
type functionRun struct {
	p        *program
	flags    *flag.FlagSet
	caller   *cli.Caller
	stderr   io.Writer
	function function.Function

	account, runtime    string
	event, data, listen string
	env, pass           texts
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return "" }

// Set implements flag.Value.
func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}

// megabytes is a flag of an amount of memory: 512, 512m, 512MB, 2g.
type megabytes int

func (m *megabytes) String() string { return strconv.Itoa(int(*m)) }

// Set implements flag.Value.
func (m *megabytes) Set(text string) error {
	number := strings.TrimSuffix(strings.ToLower(text), "b")
	times := 1
	if rest, ok := strings.CutSuffix(number, "g"); ok {
		number, times = rest, 1024
	}
	n, err := strconv.Atoi(strings.TrimSuffix(number, "m"))
	if err != nil || n < 1 || n > 1<<20 {
		return errors.New("no amount of memory: 512, 512m, 2g")
	}
	*m = megabytes(n * times)
	return nil
}

const functionUsage = `Usage: propusk function run [flags] -- HANDLER

Runs a handler as a cloud function is run, with a function's environment, context
and, with --service-account, that account's token. HANDLER is one of

  handler.py, index.js     the function "handler" in this file, by python3 or node
  a folder, handler.go     the function "Handler" of this Go package, built by go
  index.name               the function "name" in index.py, index.js or index.go
  handler.sh, prog ARG…    a program that reads the event from standard input and
                           answers on standard output, for each call anew

Flags:
`

func runFunction(ctx context.Context, p *program, args []string) error {
	r := newFunctionRun(p)
	switch {
	case len(args) == 0:
		return misuse{errors.New("say what to do: function run")}
	case strings.TrimLeft(args[0], "-") == "h" || strings.TrimLeft(args[0], "-") == "help":
		return r.help()
	case args[0] != "run":
		return misuse{fmt.Errorf("there is no function %q; propusk function -h tells what there is", args[0])}
	}
	err := r.flags.Parse(args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return r.help()
	case err != nil:
		return misuse{err}
	}
	ctx, gone := untilGone(ctx)
	defer gone(nil)
	r.stderr = &lastingWriter{p.stderr, gone}
	err = r.run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(p.stderr, "propusk function: interrupted")
		return &treeExit{interrupted}
	}
	return err
}

func newFunctionRun(p *program) *functionRun {
	r := &functionRun{p: p, flags: flag.NewFlagSet("propusk function run", flag.ContinueOnError)}
	f := r.flags
	f.SetOutput(io.Discard) // p.exit says what is wrong, once
	r.caller = cli.NewCaller(cli.Environment{Environ: p.environ, Stdin: os.Stdin, Stdout: p.stdout, Stderr: p.stderr, Now: time.Now, Version: server.Version()}, f)
	f.StringVar(&r.account, "service-account", "", "name or id of the service account whose token the function gets, and which you may act for; without it there is no token")
	f.StringVar(&r.event, "event", "", "call the function once, with the event in this file, or - for standard input, and print its answer")
	f.StringVar(&r.data, "data", "", "the same, with this event")
	f.StringVar(&r.listen, "listen", "", "address on loopback where every HTTP request calls the function, such as 127.0.0.1:8000")
	f.StringVar(&r.runtime, "runtime", "", "python, node, go or program, where HANDLER does not tell")
	f.Var(&r.env, "env", "NAME=value, a variable of the function's environment; may be given several times")
	f.Var(&r.pass, "pass-env", "name of a variable of yours that the function gets too; may be given several times")
	f.StringVar(&r.function.ID, "function-id", "", "id of the function in its context; otherwise one that is made up")
	f.StringVar(&r.function.Version, "version-id", "", "id of its version; otherwise one that is made up")
	r.function.Memory = function.DefaultMemory
	f.Var((*megabytes)(&r.function.Memory), "memory", "megabytes that the context tells of, also as 512m or 2g; nothing enforces them")
	f.DurationVar(&r.function.Timeout, "timeout", function.DefaultTimeout, "how long a call may take, with the start of its process")
	f.IntVar(&r.function.Instances, "instances", 1, "processes, each of which answers one call at a time")
	return r
}

func (r *functionRun) help() error {
	fmt.Fprint(r.p.stdout, functionUsage)
	server.PrintFlags(r.p.stdout, r.flags)
	return flag.ErrHelp
}

func (r *functionRun) run(ctx context.Context) error {
	calls, empty := 0, ""
	r.flags.Visit(func(f *flag.Flag) {
		if f.Name == "event" || f.Name == "data" || f.Name == "listen" {
			calls++
		}
		if f.Name != "data" && f.Value.String() == "" && f.DefValue == "" && f.Name != "env" && f.Name != "pass-env" {
			empty = f.Name // of a variable of the shell that is not set, maybe
		}
	})
	switch {
	case calls != 1:
		return misuse{errors.New("say how the function is called: one of --event, --data, --listen")}
	case empty != "":
		return misuse{fmt.Errorf("--%s is given, and empty", empty)}
	}
	listener, err := r.open()
	if err != nil {
		return err
	}
	if listener != nil {
		defer listener.Close()
	}
	if err := r.prepare(); err != nil {
		return ofTheCommandLine(err)
	}
	defer r.caller.Close()
	event, err := r.readEvent()
	if err != nil {
		return err
	}
	account, err := r.tokens(ctx)
	if err != nil {
		return err
	}
	metadata, err := startFunctionMetadata(account, time.Now)
	if err != nil {
		return err
	}
	defer metadata.Close()
	r.function.Environ = append(r.function.Environ, metadata.environ()...)
	runner, err := function.Start(ctx, r.function)
	if err != nil {
		return ofTheCommandLine(err)
	}
	defer runner.Close()
	if listener != nil {
		return r.serve(ctx, runner, listener)
	}
	return r.once(ctx, runner, event)
}

// ofTheCommandLine is an error whose cause the person has typed.
func ofTheCommandLine(err error) error {
	if e, ok := errors.AsType[*iam.Error](err); ok && e.Kind == iam.InvalidArgument {
		return misuse{errors.New(e.Message)}
	}
	return err
}

// open listens before anything is asked of anybody.
func (r *functionRun) open() (net.Listener, error) {
	if r.listen == "" {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(r.listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, misuse{fmt.Errorf("--listen: %q is not an address on loopback: who may connect may use the function's account", r.listen)}
	}
	listener, err := listenForFunction(r.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	return listener, nil
}

// prepare finds the handler and settles what is wrong with the command line.
func (r *functionRun) prepare() (err error) {
	if r.function.Handler, err = function.Find(r.flags.Args(), r.runtime); err != nil {
		return err
	}
	if r.function.Environ, err = function.Environment(r.p.environ, r.pass, r.env); err != nil {
		return err
	}
	if err := r.caller.Check(); err != nil {
		return err
	}
	r.function.FolderID = r.caller.FolderID()
	for _, id := range []*string{&r.function.ID, &r.function.Version} {
		if *id == "" {
			*id = resource.NewID(prefixFunction)
		}
	}
	r.function.Log, r.function.Now = function.NewLogbook(r.stderr), time.Now
	return nil
}

// mostEvent is more than a function takes, which it says itself.
const mostEvent = 4 << 20

func (r *functionRun) readEvent() ([]byte, error) {
	var in io.Reader = strings.NewReader(r.data)
	switch r.event {
	case "":
	case "-":
		in = os.Stdin
	default:
		file, err := os.Open(r.event)
		if err != nil {
			return nil, misuse{fmt.Errorf("--event: %w", err)}
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, mostEvent))
	if err != nil {
		return nil, fmt.Errorf("--event: %w", err)
	}
	return text, nil
}

// tokens finds the function's account and gets its first token, so that what is
// wrong with either is said before the handler runs. Without an account it is nil.
func (r *functionRun) tokens(ctx context.Context) (*functionAccount, error) {
	if r.account == "" {
		return nil, nil
	}
	id, err := r.caller.ServiceAccount(ctx, r.account)
	if err != nil {
		return nil, fmt.Errorf("--service-account: %w", err)
	}
	a := newFunctionAccount(id, r.caller, r.function.Timeout, r.function.Log)
	if _, err := a.tokens.Token(ctx); err != nil {
		return nil, fmt.Errorf("act as %s: %w", id, err)
	}
	r.function.Token = a.tokens.Token
	return a, nil
}

// once calls the function once.
func (r *functionRun) once(ctx context.Context, runner *function.Runner, event []byte) error {
	answer, err := runner.Invoke(ctx, function.Call{RequestID: resource.NewUUID(), Event: event})
	failed, ok := errors.AsType[*function.Failure](err)
	if ok {
		answer = failed.JSON()
	} else if err != nil {
		return err
	}
	if ok || columns(os.Stdout) > 0 {
		answer = append(answer, '\n')
	}
	if _, err := r.p.stdout.Write(answer); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	switch {
	case ok && failed.Own: // its text is in the answer and may hold anything
		return fmt.Errorf("the call failed: %s", failed.Type)
	case ok:
		return failed
	}
	return nil
}
