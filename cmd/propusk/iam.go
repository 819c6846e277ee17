package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/cli"
	"github.com/propusk/propusk/internal/server"
)

// completeWord is how shells ask for completion.
const completeWord = "__complete"

// calledYC tells whether the program was started under the name of the command
// line tool that people know.
func calledYC(name string) bool {
	name = name[strings.LastIndexAny(filepath.ToSlash(name), "/")+1:]
	return strings.TrimSuffix(strings.ToLower(name), ".exe") == "yc"
}

// tree runs a command of the client's tree and returns the exit code.
func (p *program) tree(ctx context.Context, name string, args []string) int {
	e := cli.Environment{Environ: p.environ, Stdin: os.Stdin, Stdout: p.stdout, Stderr: p.stderr, Now: time.Now,
		Version: server.Version(), Columns: columns(os.Stdout), Parent: os.Getppid()}
	if isTerminal(os.Stdin) { // /dev/null is a device too, and none
		e.HideTyping = func() (func(), error) { return hideTyping(os.Stdin) }
	}
	return cli.Main(ctx, e, name, args)
}

// treeExit is how a command of the tree ended, which has said why.
type treeExit struct{ code int }

func (e *treeExit) Error() string { return fmt.Sprintf("ended with %d", e.code) }

// treeOf runs the tree's commands under a first word.
func treeOf(word string) func(ctx context.Context, p *program, args []string) error {
	return func(ctx context.Context, p *program, args []string) error {
		if code := p.tree(ctx, p.name, append([]string{word}, args...)); code != 0 {
			return &treeExit{code}
		}
		return nil
	}
}

func runIAM(ctx context.Context, p *program, args []string) error { return treeOf("iam")(ctx, p, args) }

// isClientConfig tells the client's config from the server's.
func isClientConfig(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"get", "list", "set", "unset", "profile", "profiles"}, args[0])
}
