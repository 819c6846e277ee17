package access

import (
	"bytes"
	_ "embed"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Template is a rule that a resource can be given as an access policy: it
// denies some permissions there and on all that stands below, whatever the
// roles say [API fact: access-policies].
type Template struct {
	ID          string           `yaml:"id"`
	Name        string           `yaml:"name"`
	Description string           `yaml:"description"`
	Denies      []iam.Permission `yaml:"denies"`
	On          []resource.Kind  `yaml:"on"` // the kinds of resource it can be bound to
}

//go:embed policies.yaml
var policiesFile []byte

var templates = sync.OnceValue(func() []Template {
	var f struct {
		Templates []Template `yaml:"templates"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(policiesFile))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		panic("access: policies.yaml: " + err.Error()) // it is part of the program
	}
	slices.SortFunc(f.Templates, func(a, b Template) int { return strings.Compare(a.ID, b.ID) })
	return f.Templates
})

// Templates lists the templates of access policies, sorted by id. The slice
// and what it points to must not be changed.
func Templates() []Template { return templates() }

// denying are the ids of the templates that deny a permission. Most
// permissions no template denies: no policy is read for them.
var denying = sync.OnceValue(func() map[iam.Permission][]string {
	by := map[iam.Permission][]string{}
	for _, t := range templates() {
		for _, p := range t.Denies {
			by[p] = append(by[p], t.ID)
		}
	}
	return by
})
