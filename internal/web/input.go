package web

import (
	"html/template"
	"strconv"
	"strings"
)

// input is one field of a form, as its template needs it.
type input struct {
	Name, Label, Type, Autocomplete string
	Value                           string
	Hint                            string // key of a word under the label
	Autofocus                       bool
	Code                            bool // short codes, typed with digits
	UserCode                        bool // a code that a device shows
	Mistake                         *mistake
	page                            *page
}

// Input describes a field: its name, the key of its label, its type, what
// browsers fill in, and words: "focus", "code", "user-code", "hint=<key>".
func (p *page) Input(name, label, kind, autocomplete string, words ...string) input {
	in := input{Name: name, Label: label, Type: kind, Autocomplete: autocomplete, Mistake: p.FieldMistake(name), page: p}
	if kind != "password" {
		in.Value = p.Typed(name)
	}
	for _, word := range words {
		hint, isHint := strings.CutPrefix(word, "hint=")
		switch {
		case isHint:
			in.Hint = hint
		case word == "code":
			in.Code = true
		case word == "user-code":
			in.UserCode = true
		case word == "focus":
			in.Autofocus = p.Wrong == nil || len(p.Wrong.Fields) == 0
		}
	}
	if in.Mistake != nil && !p.focused {
		in.Autofocus, p.focused = true, true
	}
	return in
}

// T is a text in the page's language.
func (in input) T(key string) string { return in.page.T(key) }

// Say is the text of the field's mistake.
func (in input) Say() string { return in.page.Say(in.Mistake) }

// Described are the ids of what tells more of the field.
func (in input) Described() string {
	var ids []string
	if in.Mistake != nil {
		ids = append(ids, in.Name+"-mistake")
	}
	if in.Hint != "" {
		ids = append(ids, in.Name+"-hint")
	}
	return strings.Join(ids, " ")
}

// Number spells a number.
func (p *page) Number(n int64) string { return strconv.FormatInt(n, 10) }

// Mark is the product's sign. It is drawn here, and takes its colours from the page.
func (p *page) Mark() template.HTML {
	return `<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">` +
		`<rect x="3" y="6" width="26" height="20" rx="5"/><path d="M9 16.5l4.2 4.2L23 11.3"/></svg>`
}
