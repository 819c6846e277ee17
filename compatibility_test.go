package propusk_test

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/server"
)

var update = flag.Bool("update", false, "write generated parts of docs anew")

const (
	compatibilityFile = "docs/compatibility.md"
	tableBegins       = "<!-- generated from the rules and the API's descriptors: `make generate` -->\n"
	tableEnds         = "<!-- end of the generated part -->\n"
)

// TestCompatibilityIsFresh compares the table of docs/compatibility.md with
// the rules that the server runs by.
func TestCompatibilityIsFresh(t *testing.T) {
	text, err := os.ReadFile(compatibilityFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatalf("%s has lost its marks", compatibilityFile)
	}
	want := before + tableBegins + compatibilityTable(t) + tableEnds + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s is stale: run `make generate`", compatibilityFile)
	}
	if err := os.WriteFile(compatibilityFile, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func compatibilityTable(t *testing.T) string {
	rows := map[string][]gate.Rule{}
	for _, r := range server.Rules() {
		service, _, ok := strings.Cut(strings.TrimPrefix(r.Method, "/"), "/")
		if !strings.HasPrefix(r.Method, "/") || !ok {
			continue // an endpoint that is no method of the API
		}
		rows[service] = append(rows[service], r)
	}
	var names []string
	for n := range rows {
		names = append(names, n)
	}
	sort.Strings(names)
	var built, missing strings.Builder
	for _, n := range names {
		var works []gate.Rule
		var not []string
		for _, r := range rows[n] {
			if r.Missing {
				not = append(not, r.Method[strings.LastIndexByte(r.Method, '/')+1:])
			} else {
				works = append(works, r)
			}
		}
		if len(works) > 0 {
			fmt.Fprintf(&built, "\n### %s\n\n| method | REST | needs |\n|---|---|---|\n", n)
			for _, r := range works {
				name := r.Method[strings.LastIndexByte(r.Method, '/')+1:]
				rest := restOf(t, n, name)
				if r.Door != "" {
					rest = "neither gRPC nor REST: the door `" + r.Door + "` alone"
				}
				fmt.Fprintf(&built, "| %s | %s | %s |\n", name, rest, needs(r))
			}
		}
		if len(not) > 0 {
			fmt.Fprintf(&missing, "| %s | %s |\n", n, strings.Join(not, ", "))
		}
	}
	return "\n## What works\n" + built.String() +
		"\n## What is answered UNIMPLEMENTED\n\n| service | methods |\n|---|---|\n" + missing.String() + "\n"
}

func needs(r gate.Rule) string {
	switch {
	case r.Proof == gate.Open:
		return "nothing"
	case r.Proof == gate.Body:
		return "the credential in its body"
	case r.Proof == gate.Service:
		return "a registered service, on the listener of its own"
	case r.Permission == "":
		return "a token; " + r.Why
	}
	return "`" + string(r.Permission) + "` on `" + r.Target.Field + "`"
}

func restOf(t *testing.T, service, method string) string {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		t.Fatal(err)
	}
	m := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
	rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return "gRPC only"
	}
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "GET " + p.Get
	case *annotations.HttpRule_Post:
		return "POST " + p.Post
	case *annotations.HttpRule_Patch:
		return "PATCH " + p.Patch
	case *annotations.HttpRule_Delete:
		return "DELETE " + p.Delete
	case *annotations.HttpRule_Put:
		return "PUT " + p.Put
	}
	return "gRPC only"
}
