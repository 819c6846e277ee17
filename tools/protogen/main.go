// Protogen makes the Go code of this project's own .proto files.
//
//	go run ./protogen [-check] [module root]
//
// What they import of others (google.api, yandex.cloud) is read from the
// descriptors that are compiled into this program, so that no .proto file of
// anybody else is kept here. With -check nothing is written: the exit code says
// whether the files beside the .proto files are what would be written.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// module is what go_package of every file begins with.
const module = "github.com/propusk/propusk"

var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	check := flag.Bool("check", false, "write nothing; fail when a generated file is stale")
	flag.Parse()
	root := ".."
	if flag.NArg() > 0 {
		root = flag.Arg(0)
	}
	if err := run(context.Background(), root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string, check bool) error {
	folder := filepath.Join(root, "proto")
	names, err := sources(folder, ".proto")
	if err != nil {
		return err
	}
	request, err := compile(ctx, folder, names)
	if err != nil {
		return err
	}
	fresh := map[string]string{}
	for _, p := range plugins {
		if err := generate(ctx, p, request, fresh); err != nil {
			return err
		}
	}
	if check {
		return compare(root, fresh)
	}
	return write(root, fresh)
}

// sources lists the files below a folder that end so, with slashes, sorted.
func sources(folder, end string) (names []string, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, end) {
			return err
		}
		name, err := filepath.Rel(folder, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	slices.Sort(names)
	return names, err
}

// compile turns the files into what a plugin is asked with: each file after
// those that it imports.
func compile(ctx context.Context, folder string, names []string) (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{folder}},
			protocompile.ResolverFunc(linked),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, Parameter: proto.String("module=" + module)}
	seen := map[string]bool{}
	for _, f := range files {
		collect(f, seen, request)
	}
	return request, nil
}

// linked finds a file among those compiled into this program.
func linked(path string) (protocompile.SearchResult, error) {
	d, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil {
		return protocompile.SearchResult{}, err
	}
	return protocompile.SearchResult{Proto: protodesc.ToFileDescriptorProto(d)}, nil
}

func collect(f protoreflect.FileDescriptor, seen map[string]bool, into *pluginpb.CodeGeneratorRequest) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		collect(f.Imports().Get(i).FileDescriptor, seen, into)
	}
	into.ProtoFile = append(into.ProtoFile, protoOf(f))
}

func protoOf(f protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	if r, ok := f.(linker.Result); ok {
		return r.FileDescriptorProto() // with comments
	}
	return protodesc.ToFileDescriptorProto(f)
}

// generate runs one plugin of the tools module and adds its files.
func generate(ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest, into map[string]string) error {
	in, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", plugin)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", plugin, err)
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out.Bytes(), response); err != nil {
		return fmt.Errorf("%s: %w", plugin, err)
	}
	if response.Error != nil {
		return fmt.Errorf("%s: %s", plugin, response.GetError())
	}
	for _, f := range response.GetFile() {
		into[f.GetName()] = f.GetContent()
	}
	return nil
}

func compare(root string, fresh map[string]string) error {
	var errs []error
	for name, want := range fresh {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil || string(got) != want {
			errs = append(errs, fmt.Errorf("%s is stale: run `make generate`", name))
		}
	}
	left, err := leftovers(root, fresh)
	for _, name := range left {
		errs = append(errs, fmt.Errorf("%s comes from no .proto file any more: run `make generate`", name))
	}
	return errors.Join(append(errs, err)...)
}

func write(root string, fresh map[string]string) error {
	for name, text := range fresh {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	left, err := leftovers(root, fresh)
	for _, name := range left {
		err = errors.Join(err, os.Remove(filepath.Join(root, filepath.FromSlash(name))))
	}
	return err
}

// leftovers are generated files whose source is gone.
func leftovers(root string, fresh map[string]string) (out []string, err error) {
	names, err := sources(filepath.Join(root, "proto"), ".pb.go")
	for _, n := range names {
		if _, ok := fresh["proto/"+n]; !ok {
			out = append(out, "proto/"+n)
		}
	}
	return out, err
}
