package function

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

//go:embed runtime/runtime.py
var pythonRuntime []byte

//go:embed runtime/runtime.cjs
var nodeRuntime []byte

// command makes what a handler's process is started by, in a folder of its own.
func (h *Handler) command(ctx context.Context, folder string) ([]string, error) {
	switch h.Runtime {
	case Python:
		python, err := interpreter(ctx, []string{"python3", "python"}, "-I", "-c", "import sys; print(sys.executable)")
		return []string{python, filepath.Join(folder, "runtime.py"), h.File, h.Name, h.Root, h.Module}, errors.Join(err, write(folder, "runtime.py", pythonRuntime))
	case Node:
		node, err := interpreter(ctx, []string{"node", "nodejs"}, "-p", "process.execPath")
		return []string{node, filepath.Join(folder, "runtime.cjs"), h.File, h.Name}, errors.Join(err, write(folder, "runtime.cjs", nodeRuntime))
	case Go:
		return h.build(ctx, folder)
	}
	return h.Command, nil
}

func write(folder, name string, text []byte) error {
	if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
		return iam.Wrap(err, iam.Internal, "write the runtime: %v", err)
	}
	return nil
}

// interpreter finds the program itself that one of the names starts, and asks it:
// what stands in $PATH may be a script of a version manager, which needs the
// caller's home.
func interpreter(ctx context.Context, names []string, ask ...string) (string, error) {
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, path, ask...)
		cmd.Env, cmd.WaitDelay = withoutCredentials(os.Environ()), toolDelay
		out, err := cmd.Output()
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if found := strings.TrimSpace(string(out)); err == nil && filepath.IsAbs(found) {
			return found, nil
		}
	}
	return "", iam.InvalidField("handler", "%s is not in $PATH or does not run: install it to run this handler", names[0])
}

// toolDelay is how long a tool that was given up is waited for, should what it has
// started hold its output.
const toolDelay = 500 * time.Millisecond

// withoutCredentials is the caller's environment for tools that make a handler
// ready, which are nobody's to trust with more than they need.
func withoutCredentials(environ []string) []string {
	var out []string
	for _, v := range environ {
		secret := false
		for _, prefix := range []string{"YC_", "PROPUSK_", "AWS_"} {
			secret = secret || strings.HasPrefix(v, prefix)
		}
		if !secret {
			out = append(out, v)
		}
	}
	return out
}
