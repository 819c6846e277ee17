package cli

import (
	"flag"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestTree: every command can be declared, says what it does, and stands under
// a word of its own.
func TestTree(t *testing.T) {
	top := root()
	commands := 0
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		seen := map[string]bool{}
		for i := range n.below {
			c := &n.below[i]
			for _, word := range append([]string{c.word}, c.aliases...) {
				if seen[word] {
					t.Errorf("%s %s stands there twice", path, word)
				}
				seen[word] = true
			}
			if c.summary == "" || (c.run == nil) == (len(c.below) == 0) {
				t.Errorf("%s %s: no summary, or neither command nor words", path, c.word)
			}
			if c.run != nil {
				commands++
				f := flag.NewFlagSet("", flag.ContinueOnError)
				f.SetOutput(io.Discard)
				if c.run.flags(f) == nil {
					t.Errorf("%s %s does nothing", path, c.word)
				}
				new(session).declare(f)
			}
			walk(c, path+" "+c.word)
		}
	}
	walk(&top, "yc")
	if commands < 140 {
		t.Errorf("%d commands only", commands)
	}
}

// TestBindings: what commands of one call name is in the API.
func TestBindings(t *testing.T) {
	about := theServiceAccount()
	if _, err := (rpc{method: "/yandex.cloud.iam.v1.ServiceAccountService/Nope"}).declare(flag.NewFlagSet("", flag.ContinueOnError)); err == nil {
		t.Error("a method that there is not is declared")
	}
	for _, r := range allCalls(root()) {
		q, err := r.declare(flag.NewFlagSet("", flag.ContinueOnError))
		if err != nil {
			t.Errorf("%s: %v", r.method, err)
			continue
		}
		if r.within != "" && q.field(r.within) == nil {
			t.Errorf("%s has no field %s", r.method, r.within)
		}
		if r.subject != nil && q.field(r.subject.field) == nil {
			t.Errorf("%s has no field %s", r.method, r.subject.field)
		}
		for _, c := range r.columns {
			if c.Cell == nil && !isThere(q.answer.Descriptor(), c.Field) {
				t.Errorf("%s answers with no field %s", r.method, c.Field)
			}
		}
	}
	if _, _, err := types(about.by.list); err != nil {
		t.Error(err)
	}
}

func allCalls(n node) (out []rpc) {
	if n.run != nil && n.run.call != nil {
		out = append(out, *n.run.call)
	}
	for _, c := range n.below {
		out = append(out, allCalls(c)...)
	}
	return out
}

func isThere(answer protoreflect.MessageDescriptor, field string) bool {
	for i := range answer.Fields().Len() {
		if f := answer.Fields().Get(i); f.IsList() && f.Message() != nil {
			return hasPath(f.Message(), field)
		}
	}
	return false
}

func hasPath(m protoreflect.MessageDescriptor, path string) bool {
	name, below, nested := strings.Cut(path, ".")
	x := m.Fields().ByName(protoreflect.Name(name))
	return x != nil && (!nested || x.Message() != nil && hasPath(x.Message(), below))
}

func TestLooks(t *testing.T) {
	for text, want := range map[string][2]bool{ // id, name
		"aje9mo2vl68v8nd2sq7u": {true, true}, "my-robot": {false, true}, "": {false, false}, "Robot": {false, false},
		"1abcdefghij234567890": {true, false}, "a": {false, true}, "bpf:x": {false, false},
	} {
		if got := [2]bool{looksLikeID(text), looksLikeName(text)}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
