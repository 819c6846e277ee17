package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/propusk/propusk/internal/keyfile"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"propusk": main, "yc": main, "docker-credential-propusk": main, "docker-credential-yc": main, "person": person})
}

// TestScript runs testdata/script/*.txtar. Beside testscript's own commands:
//
//	exits CODE PROGRAM ARG…     runs a program that must end with this code
//	start NAME [K=V…] ARG…      starts `propusk ARG…` on free ports and waits until it serves;
//	                            its output is in NAME.out and NAME.err, its addresses in
//	                            $NAME_http, $NAME_grpc, $NAME_debug and $NAME_access, its pid in $NAME_pid
//	quit NAME                   ends it by SIGTERM; it must exit with 0
//	cut NAME                    ends it by SIGKILL
//	exchange VAR KEYFILE ADDR   puts an IAM token into a variable; with ! it must be refused
//	rest METHOD URL [BODY]      sends a request with $TOKEN; stdout has the answer; with ! it must fail
//	setvar VAR FILE             puts the last line of a file (or stdout) into a variable
//	modes FOLDER                prints mode and name of everything in a folder
//	metadata NAME ARG…          starts `propusk metadata ARG…`, as metadata_test.go tells
//	fetch METHOD URL [HEADER]…  sends a request; stdout has status, headers and body
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "start": start, "quit": quit, "cut": cut,
			"exchange": exchange, "rest": rest, "setvar": setvar, "modes": modes,
			"metadata": startMetadata, "fetch": fetch,
		},
		Condition: func(name string) (bool, error) {
			program, ok := strings.CutPrefix(name, "tool:")
			if !ok {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, err := exec.LookPath(program)
			if err != nil && os.Getenv("CI") == "true" {
				return false, fmt.Errorf("%s is missing, and CI skips nothing", program)
			}
			return err == nil, nil
		},
		Setup: func(e *testscript.Env) error {
			e.Values["running"] = map[string]*process{}
			return nil
		},
	})
}

func running(ts *testscript.TestScript) map[string]*process {
	return ts.Value("running").(map[string]*process)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME [K=V…] ARG…")
	}
	name, args := args[0], args[1:]
	var env []string
	for len(args) > 0 && strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	p, err := startProcess(ts.MkAbs("."), name, env, args...)
	if err != nil {
		ts.Fatalf("start %s: %v", name, err)
	}
	running(ts)[name] = p
	ts.Defer(p.kill)
	ts.Setenv(name+"_http", p.http)
	ts.Setenv(name+"_grpc", p.grpc)
	ts.Setenv(name+"_access", p.access)
	ts.Setenv(name+"_debug", p.debug)
	ts.Setenv(name+"_pid", strconv.Itoa(p.cmd.Process.Pid))
}

func quit(ts *testscript.TestScript, neg bool, args []string) {
	if err := running(ts)[args[0]].stop(); err != nil {
		ts.Fatalf("quit %s: %v", args[0], err)
	}
}

func cut(ts *testscript.TestScript, neg bool, args []string) { running(ts)[args[0]].kill() }

func exchange(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: exchange VAR KEYFILE ADDR")
	}
	key, err := keyfile.Read(ts.MkAbs(args[1]))
	ts.Check(err)
	token, err := (&process{http: args[2]}).exchange(key)
	if neg != (err != nil) {
		ts.Fatalf("exchange: %v", err)
	}
	if err != nil {
		fmt.Fprintln(ts.Stdout(), err)
	}
	ts.Setenv(args[0], token)
}

func rest(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: rest METHOD URL [BODY]")
	}
	a, err := ask(args[0], args[1], ts.Getenv("TOKEN"), strings.Join(args[2:], " "))
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), string(a.body))
	if neg != (a.code >= http.StatusBadRequest) {
		ts.Fatalf("%s %s: %s", args[0], args[1], a)
	}
}

func setvar(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Fields(ts.ReadFile(args[1]))
	if len(lines) == 0 {
		ts.Fatalf("%s is empty", args[1])
	}
	ts.Setenv(args[0], lines[len(lines)-1])
}

func modes(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(fs.WalkDir(os.DirFS(ts.MkAbs(args[0])), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintf(ts.Stdout(), "%v %s\n", info.Mode(), name)
		}
		return err
	}))
}
