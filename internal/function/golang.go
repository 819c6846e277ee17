package function

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

//go:embed runtime/main.go.txt
var goRuntime string

// ownFolder is where, below the handler's package, the program around it seems to
// be while it is built: there it may import what is internal. Nothing is written.
const ownFolder = "propusk_function_runtime"

// goPackage is what the go command tells of a package.
type goPackage struct {
	ImportPath, Name string
	GoFiles          []string
	CgoFiles         []string
}

// build builds a program around a handler's package by the person's own toolchain,
// within the person's own module. A package main, as the API wants it, seems to be
// one that can be imported.
func (h *Handler) build(ctx context.Context, folder string) ([]string, error) {
	if !token.IsExported(h.Name) || !token.IsIdentifier(h.Name) {
		return nil, iam.InvalidField("handler", "%q is no exported function of Go", h.Name)
	}
	gobin, err := exec.LookPath("go")
	if err != nil {
		return nil, iam.InvalidField("handler", "go is not in $PATH: install it to run this handler")
	}
	o := overlay{folder: folder, Replace: map[string]string{}}
	if err := h.moduleOf(ctx, gobin, &o); err != nil {
		return nil, err
	}
	out, err := h.goCommand(ctx, gobin, &o, "list", "-json=ImportPath,Name,GoFiles,CgoFiles", ".")
	if err != nil {
		return nil, err
	}
	var p goPackage
	if err := json.Unmarshal(out, &p); err != nil {
		return nil, iam.InvalidField("handler", "%s holds no package of Go: %v", h.File, err)
	}
	if p.Name == "main" {
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			if err := o.rename(filepath.Join(h.File, name)); err != nil {
				return nil, err
			}
		}
	}
	text := strings.NewReplacer("@IMPORT@", p.ImportPath, "@NAME@", h.Name).Replace(goRuntime)
	if err := o.add(filepath.Join(h.File, ownFolder, "main.go"), []byte(text)); err != nil {
		return nil, err
	}
	program := filepath.Join(folder, "handler")
	_, err = h.goCommand(ctx, gobin, &o, "build", "-o", program, "./"+ownFolder)
	return []string{program}, err
}

// moduleOf gives a folder that is in no module one.
func (h *Handler) moduleOf(ctx context.Context, gobin string, o *overlay) error {
	out, err := h.goCommand(ctx, gobin, o, "env", "GOMOD", "GOVERSION")
	if err != nil {
		return err
	}
	mod, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if mod != "" && mod != os.DevNull {
		return nil
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(version, "go"), " ")
	number, _, _ = strings.Cut(number, "-")
	return o.add(filepath.Join(h.File, "go.mod"), fmt.Appendf(nil, "module function\n\ngo %s\n", number))
}

// goCommand runs the go command in the handler's folder, without the caller's
// credentials: a build may run tools of others.
func (h *Handler) goCommand(ctx context.Context, gobin string, o *overlay, verb string, args ...string) ([]byte, error) {
	if verb != "env" {
		path, err := o.write()
		if err != nil {
			return nil, err
		}
		args = append([]string{"-overlay", path}, args...)
	}
	cmd := exec.CommandContext(ctx, gobin, append([]string{verb}, args...)...)
	cmd.Dir, cmd.Env = h.File, append(withoutCredentials(os.Environ()), "PWD="+h.File)
	cmd.WaitDelay = toolDelay
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		if _, ran := errors.AsType[*exec.ExitError](err); !ran {
			return nil, iam.InvalidField("handler", "go %s: %v", verb, err)
		}
		return nil, iam.InvalidField("handler", "go %s refuses %s:\n%s", verb, h.File, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// overlay is what the go command sees in place of files, or beside them.
type overlay struct {
	folder  string
	Replace map[string]string
}

func (o *overlay) add(path string, text []byte) error {
	name := fmt.Sprintf("overlay%d%s", len(o.Replace), filepath.Ext(path))
	o.Replace[path] = filepath.Join(o.folder, name)
	return write(o.folder, name, text)
}

// rename has a file seem to be of package handler instead of package main. Lines
// stay where they are.
func (o *overlay) rename(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return iam.InvalidField("handler", "%s", reasonOf(err))
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, text, parser.PackageClauseOnly)
	if err != nil {
		return iam.InvalidField("handler", "%v", err)
	}
	at := set.File(f.Pos()).Offset(f.Name.Pos())
	return o.add(path, bytes.Join([][]byte{text[:at], text[at+len(f.Name.Name):]}, []byte("handler")))
}

func (o *overlay) write() (string, error) {
	text, err := json.Marshal(o)
	if err == nil {
		err = write(o.folder, "overlay.json", text)
	}
	return filepath.Join(o.folder, "overlay.json"), err
}
