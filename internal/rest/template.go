package rest

import (
	"fmt"
	"strings"
)

// template is a parsed path of google.api.http: "/v1/keys/{key_id}:verb".
// Each piece stands for one segment; patterns over several segments are not
// part of this API and are refused.
type template struct {
	pieces []piece
	verb   string
}

// piece is one segment: a literal, or the name of the field it fills.
type piece struct {
	literal string
	field   string // dotted path of proto names; "" for a literal
}

func parseTemplate(s string) (template, error) {
	fail := func(why string) (template, error) { return template{}, fmt.Errorf("path %q: %s", s, why) }
	rest, ok := strings.CutPrefix(s, "/")
	if !ok || rest == "" {
		return fail("it does not begin with / and a segment")
	}
	var t template
	if at := strings.LastIndexByte(rest, ':'); at > strings.LastIndexAny(rest, "/}") || at > 0 && rest[at-1] == '}' {
		rest, t.verb = rest[:at], rest[at+1:]
		if !isLiteral(t.verb) {
			return fail("its verb is empty or no literal")
		}
	}
	for segment := range strings.SplitSeq(rest, "/") {
		name, isField := strings.CutPrefix(segment, "{")
		if !isField {
			if !isLiteral(segment) {
				return fail("a segment is empty or no literal")
			}
			t.pieces = append(t.pieces, piece{literal: segment})
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		name = strings.TrimSuffix(name, "=*")
		if !closed || name == "" || strings.ContainsAny(name, "{}=*") {
			return fail("a field must stand for exactly one segment")
		}
		t.pieces = append(t.pieces, piece{field: name})
	}
	return t, nil
}

func isLiteral(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "{}*:=%?#/ ")
}
