package function

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/propusk/propusk/internal/iam"
)

// passed are the variables of the caller that every handler gets: how programs,
// libraries and certificates are found and how text is written. No credential is
// among them, nor a folder in which a client would look for one. Proxies are not,
// because their addresses hold passwords.
var passed = []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LANGUAGE", "TZ",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
	"PYTHONPATH", "NODE_PATH", "VIRTUAL_ENV"}

// reserved are set by the runtime [API fact: they cannot be overridden].
var reserved = []string{"_HANDLER", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "FUNCTION_NAME", "FUNCTION_VERSION", "REQUEST_ID",
	envContext, envProcess, "YC_METADATA_ADDR", "GCE_METADATA_HOST"}

// envContext names the file from which a program reads its context.
const envContext = "PROPUSK_CONTEXT"

// envProcess tells which process of a handler another one was started by.
const envProcess = "PROPUSK_PROCESS"

var variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })

// Environment is what a handler gets of the caller's: what is harmless, what pass
// names, and set, each "NAME=value". A name that is none, or that the runtime sets
// itself, is INVALID_ARGUMENT; so is one to pass that the caller does not have.
func Environment(caller, pass, set []string) ([]string, error) {
	var out []string
	for _, v := range caller {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains(passed, name) || strings.HasPrefix(name, "LC_") {
			out = append(out, v)
		}
	}
	for _, name := range pass {
		if err := checkName("pass-env", name); err != nil {
			return nil, err
		}
		at := slices.IndexFunc(caller, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if at < 0 {
			return nil, iam.InvalidField("pass-env", "$%s is not set", name)
		}
		out = append(out, caller[at])
	}
	for _, v := range set {
		name, _, ok := strings.Cut(v, "=")
		if !ok {
			return nil, iam.InvalidField("env", "%q is not NAME=value", name)
		}
		if err := checkName("env", name); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func checkName(field, name string) error {
	switch {
	case !variableName().MatchString(name):
		return iam.InvalidField(field, "%q is no name of a variable", name)
	case slices.Contains(reserved, name):
		return iam.InvalidField(field, "%s is set by the function's runtime", name)
	}
	return nil
}

// environ is a process's environment, in which the runtime's own come last.
func (r *Runner) environ(own ...string) []string {
	env := []string{"HOME=" + r.home(), "TMPDIR=" + r.temporary(), "PYTHONUNBUFFERED=1",
		"AWS_EC2_METADATA_DISABLED=true"} // where this machine is one of AWS's, its own credentials are there
	env = append(env, r.f.Environ...)
	if libraries := filepath.Join(r.f.Handler.Root, "shared-libs"); isFolder(libraries) { // [API fact: dynamic libraries]
		env = append(env, "LD_LIBRARY_PATH="+joinPaths(libraries, last(r.f.Environ, "LD_LIBRARY_PATH")))
	}
	return append(append(env, "_HANDLER="+r.f.Handler.Text, "LAMBDA_TASK_ROOT="+r.f.Handler.Root, "LAMBDA_RUNTIME_DIR="+r.folder,
		"FUNCTION_NAME="+r.f.ID, "FUNCTION_VERSION="+r.f.Version), own...)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func joinPaths(first, rest string) string {
	if rest == "" {
		return first
	}
	return first + string(os.PathListSeparator) + rest
}

// last is the value of a variable as a process sees it; empty without one.
func last(environ []string, name string) (value string) {
	for _, v := range environ {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value = text
		}
	}
	return value
}
