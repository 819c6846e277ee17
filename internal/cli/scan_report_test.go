package cli_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The document is what it was before: programs read it.
func TestScanJSON(t *testing.T) {
	var s scanner
	key := s.apiKey()
	tree(t, map[string]string{"a b": "\n" + key, "b": key + " propusk:allow", "c\u202e\x1b[2J": key})
	out := s.run(t, "--format", "json").exit(t, 1).stdout
	var got struct {
		Findings []map[string]any
		Files    int
		Bytes    int
		Allowed  int
		Problems []any
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	print := got.Findings[0]["fingerprint"]
	finding := func(path string, line, offset float64) map[string]any {
		return map[string]any{"kind": "yandex_cloud_api_key_v1", "masked": "AQVN****" + key[34:], "fingerprint": print,
			"path": path, "line": line, "column": 1.0, "offset": offset}
	}
	want := []map[string]any{finding("a b", 2, 1), finding("c\u202e\x1b[2J", 1, 0)}
	if diff := cmp.Diff(want, got.Findings); diff != "" || got.Files != 3 || got.Bytes != 135 || got.Allowed != 1 || got.Problems == nil {
		t.Errorf("%s %+v", diff, got)
	}
	if text := fmt.Sprint(print); len(text) != 32 || strings.ContainsAny(out, "\u202e\x1b") {
		t.Errorf("%q", out)
	}
	clean := s.run(t, "b", "--format", "json").exit(t, 0).stdout
	if want := "{\n  \"findings\": [],\n  \"files\": 1,\n  \"bytes\": 54,\n  \"allowed\": 1,\n  \"problems\": []\n}\n"; clean != want {
		t.Errorf("%s", clean)
	}
}

// article begins a description: the kinds' names are said, with a vowel first or not.
var article = regexp.MustCompile(`^(An (API|IAM|OAuth) |A [^AEIO]|The [a-z])`)

// sarif is what SARIF 2.1.0 requires, and what code hosts read.
type sarif struct {
	Schema  string `json:"$schema"`
	Version string
	Runs    []struct {
		ColumnKind string
		Tool       struct {
			Driver struct {
				Name, InformationURI string
				Rules                []struct {
					ID               string
					ShortDescription struct{ Text string }
					Help             struct{ Text string }
					Properties       map[string]string
				}
			}
		}
		Results []struct {
			RuleID    string
			Level     string
			Message   struct{ Text string }
			Locations []struct {
				PhysicalLocation struct {
					ArtifactLocation struct{ URI string }
					Region           struct{ StartLine, StartColumn int }
				}
			}
			PartialFingerprints map[string]string
			Properties          map[string]string
		}
		Invocations []struct {
			ExecutionSuccessful        *bool
			ToolExecutionNotifications []struct {
				Level   string
				Message struct{ Text string }
			}
		}
	}
}

func TestScanSARIF(t *testing.T) {
	var s scanner
	key := s.apiKey()
	tree(t, map[string]string{"a b%/c": "\n x" + key, "d": key})
	makePipe(t, "pipe")
	out := s.run(t, ".", "pipe", "--format", "sarif").exit(t, 1).stdout
	var doc sarif
	d := json.NewDecoder(strings.NewReader(strings.ReplaceAll(out, " x"+key, "")))
	d.DisallowUnknownFields() // each is a property of the schema
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	run := doc.Runs[0]
	if doc.Version != "2.1.0" || !strings.HasSuffix(doc.Schema, "sarif-schema-2.1.0.json") || len(doc.Runs) != 1 ||
		run.ColumnKind != "unicodeCodePoints" || run.Tool.Driver.Name == "" || len(run.Invocations) != 1 {
		t.Errorf("%+v", doc)
	}
	rules := map[string]bool{}
	for _, r := range run.Tool.Driver.Rules {
		if r.ID == "" || r.ShortDescription.Text == "" || r.Help.Text == "" || !article.MatchString(r.ShortDescription.Text) {
			t.Errorf("%+v", r)
		}
		rules[r.ID] = true
	}
	if len(rules) != 10 || len(run.Results) != 1 {
		t.Fatalf("%d rules, %d results: a key within a word is none", len(rules), len(run.Results))
	}
	r := run.Results[0]
	at := r.Locations[0].PhysicalLocation
	if !rules[r.RuleID] || r.Level != "error" || !strings.HasSuffix(r.Message.Text, "AQVN****"+key[34:]) ||
		at.ArtifactLocation.URI != "d" || at.Region.StartLine != 1 || at.Region.StartColumn != 1 || len(r.PartialFingerprints["propuskCredential/v1"]) != 32 {
		t.Errorf("%+v", r)
	}
	if i := run.Invocations[0]; *i.ExecutionSuccessful || len(i.ToolExecutionNotifications) != 1 {
		t.Errorf("%+v", i)
	}

	write(t, map[string]string{"a b%/c": "\n x:" + key})
	if out := s.run(t, "a b%", "--format", "sarif").exit(t, 1).stdout; !strings.Contains(out, `"uri":"a%20b%25/c"`) {
		t.Error(out)
	}
	clean := s.run(t, "d", "--exclude", "d", "a b%", "--max-size", "1", "--format", "sarif").exit(t, 0).stdout
	if err := json.Unmarshal([]byte(clean), &doc); err != nil || !strings.Contains(clean, `"results": []`) {
		t.Errorf("%v: %s", err, clean)
	}
}
