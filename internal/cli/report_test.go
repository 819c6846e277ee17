package cli_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

var (
	update = flag.Bool("update", false, "write the reports that there are into testdata")
	timeAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// TestReport: testdata/report/*.txtar hold an explanation and what a person
// reads of it.
func TestReport(t *testing.T) {
	files, err := filepath.Glob("testdata/report/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	f := newFake(t)
	for _, name := range files {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		x := new(propuskpb.Explanation)
		if err := protojson.Unmarshal(archive.Files[0].Data, x); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.answer = func(string, proto.Message) (proto.Message, error) { return x, nil }
		got := f.run(t, nil, "access", "explain", "--subject", "s", "--permission", "p", "--resource", "r").good(t)
		if *update {
			archive.Files[1].Data = []byte(got)
			if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(string(archive.Files[1].Data), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		again := new(propuskpb.Explanation)
		text := f.run(t, nil, "access", "explain", "--subject", "s", "--permission", "p", "--resource", "r", "--format", "json").good(t)
		if err := protojson.Unmarshal([]byte(text), again); err != nil || !proto.Equal(x, again) {
			t.Errorf("%s: --format json is another message: %v\n%s", name, err, text)
		}
	}
}
