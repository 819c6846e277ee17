package function

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Runtime is what runs a handler.
type Runtime string

// The runtimes. A Program gets the event on standard input and answers on standard
// output, a process for each call, as handlers written in Bash do [API fact].
const (
	Python  Runtime = "python"
	Node    Runtime = "node"
	Go      Runtime = "go"
	Program Runtime = "program"
)

// Handler is a handler that was found.
type Handler struct {
	Runtime Runtime
	Text    string   // as the person named it
	Root    string   // folder in which it runs
	File    string   // of Python and Node; for Go the package's folder
	Name    string   // of the function in it
	Module  string   // of Python: what File is imported as, from Root; empty in no package
	Command []string // of a Program, looked up
}

var extensions = map[Runtime][]string{Python: {".py"}, Node: {".js", ".mjs", ".cjs"}, Go: {".go"}, Program: {".sh"}}

// runtimeNamed reads the name of a runtime, in the API's form too: python312,
// nodejs22, golang123, bash.
func runtimeNamed(text string) (Runtime, error) {
	for _, known := range []struct {
		prefix  string
		runtime Runtime
	}{{"python", Python}, {"nodejs", Node}, {"node", Node}, {"golang", Go}, {"go", Go}, {"bash", Program}, {"program", Program}} {
		if rest, ok := strings.CutPrefix(text, known.prefix); ok && strings.Trim(rest, "0123456789-.") == "" {
			return known.runtime, nil
		}
	}
	return "", iam.InvalidField("runtime", "%q is none of python, node, go, program", text)
}

// Find finds the handler that words on a command line name: `file.py`, `index.js`
// or a folder of a Go package, whose function is handler or Handler; `index.name`
// as the API has it, for index.py, index.js or index.go; otherwise a program with
// its arguments. runtime chooses where the words do not; it may be empty. What
// cannot be found is INVALID_ARGUMENT.
func Find(words []string, runtime string) (Handler, error) {
	if len(words) == 0 || words[0] == "" {
		return Handler{}, iam.InvalidField("handler", "is missing: a file, a folder of a Go package, index.handler or a program")
	}
	var want Runtime
	if runtime != "" {
		var err error
		if want, err = runtimeNamed(runtime); err != nil {
			return Handler{}, err
		}
	}
	h := Handler{Text: strings.Join(words, " ")}
	if len(words) == 1 && want != Program {
		found, err := h.source(words[0], want)
		if found || err != nil {
			return h, err
		}
	}
	if want != "" && want != Program {
		return h, iam.InvalidField("handler", "there is no %s handler %q", want, h.Text)
	}
	return h, h.program(words)
}

// source looks for a handler in a file that a runtime loads.
func (h *Handler) source(word string, want Runtime) (bool, error) {
	info, err := os.Stat(word)
	if err == nil && info.IsDir() {
		if want != "" && want != Go {
			return false, iam.InvalidField("handler", "%q is a folder, which only a Go handler can be", word)
		}
		return true, h.is(Go, word, "Handler")
	}
	for r, list := range extensions {
		if slices.Contains(list, filepath.Ext(word)) && (want == "" || want == r) && r != Program {
			if err != nil {
				return false, iam.InvalidField("handler", "%s", reasonOf(err))
			}
			if r == Go {
				return true, h.is(Go, filepath.Dir(word), "Handler")
			}
			return true, h.is(r, word, "handler")
		}
	}
	stem, name := strings.TrimSuffix(word, filepath.Ext(word)), strings.TrimPrefix(filepath.Ext(word), ".")
	if err == nil || name == "" || stem == "" {
		return false, nil
	}
	return h.entry(stem, name, want)
}

// entry looks for index.name.
func (h *Handler) entry(stem, name string, want Runtime) (bool, error) {
	stems := []string{stem}
	folder, module := filepath.Split(stem)
	if strings.Contains(module, ".") && !strings.HasPrefix(module, ".") {
		stems = append(stems, folder+strings.ReplaceAll(module, ".", "/")) // a.b.name of Python's packages
	}
	var files []string
	var runtimes []Runtime
	for _, r := range []Runtime{Python, Node, Go} {
		for _, e := range extensions[r] {
			for _, s := range stems {
				if info, err := os.Stat(s + e); err == nil && !info.IsDir() && (want == "" || want == r) {
					files, runtimes = append(files, s+e), append(runtimes, r)
				}
			}
		}
	}
	switch {
	case len(files) == 0:
		return false, nil
	case len(files) > 1:
		return false, iam.InvalidField("handler", "%q may be in %s: name the file, or the runtime", h.Text, strings.Join(files, " or "))
	case runtimes[0] == Go:
		return true, h.is(Go, filepath.Dir(files[0]), name)
	}
	if err := h.is(runtimes[0], files[0], name); err != nil || runtimes[0] != Python || files[0] == stem+".py" {
		return true, err
	}
	h.Module, h.Root = module, filepath.Dir(h.File)
	for range strings.Count(module, ".") {
		h.Root = filepath.Dir(h.Root)
	}
	return true, nil
}

func (h *Handler) is(r Runtime, file, name string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return iam.InvalidField("handler", "%v", err)
	}
	h.Runtime, h.File, h.Name, h.Root = r, file, name, filepath.Dir(file)
	switch r {
	case Go:
		h.Root = file
	case Python:
		h.inPackage(strings.TrimSuffix(filepath.Base(file), ".py"))
	}
	return nil
}

// inPackage finds the folder from which a module of Python is imported, which
// holds the package that the module is in.
func (h *Handler) inPackage(module string) {
	for folder := h.Root; ; folder = filepath.Dir(folder) {
		if info, err := os.Stat(filepath.Join(folder, "__init__.py")); err != nil || info.IsDir() || folder == filepath.Dir(folder) {
			h.Root = folder
			return
		}
		module = filepath.Base(folder) + "." + module
		h.Module = module
	}
}

func (h *Handler) program(words []string) error {
	h.Runtime = Program
	root, err := os.Getwd()
	if err != nil {
		return iam.InvalidField("handler", "%v", err)
	}
	h.Root = root
	if info, err := os.Stat(words[0]); len(words) == 1 && filepath.Ext(words[0]) == ".sh" && err == nil && !info.IsDir() {
		file, err := filepath.Abs(words[0])
		if err != nil {
			return iam.InvalidField("handler", "%v", err)
		}
		bash, err := exec.LookPath("bash")
		if err != nil {
			return iam.InvalidField("handler", "bash is not in $PATH, and %s needs it", words[0])
		}
		h.Command, h.Root = []string{bash, file}, filepath.Dir(file)
		return nil
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return iam.InvalidField("handler", "there is no handler %q: no file or folder of this name, no file for an entry point index.handler, and no program (%s)", h.Text, reasonOf(err))
	}
	if path, err = filepath.Abs(path); err != nil {
		return iam.InvalidField("handler", "%v", err)
	}
	h.Command = append([]string{path}, words[1:]...)
	return nil
}

// reasonOf is what is wrong with a file, without the system call's name.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path + ": " + e.Err.Error()
	}
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Name + ": " + e.Err.Error()
	}
	return err.Error()
}
