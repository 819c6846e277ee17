package server

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/propusk/propusk/internal/cloudapi/registryapi"
)

// Registry is a container registry that takes this server's tokens.
type Registry struct {
	Service  string `yaml:"service"`            // its name for itself, the audience of tokens
	Resource string `yaml:"resource,omitempty"` // id; empty: the first part of a repository's name
	Keys     string `yaml:"keys,omitempty"`     // RegistryCertificates or RegistryKeySet; empty is the former
}

// What a registry checks tokens with.
const (
	RegistryCertificates = "certificates"
	RegistryKeySet       = "set"
)

// String is the form that flags and the environment take.
func (r Registry) String() string {
	words := []string{"service=" + r.Service}
	if r.Resource != "" {
		words = append(words, "resource="+r.Resource)
	}
	if r.Keys != "" {
		words = append(words, "keys="+r.Keys)
	}
	return strings.Join(words, " ")
}

func parseRegistry(text string) (r Registry, err error) {
	err = parsePairs(text, pair{"service", &r.Service}, pair{"resource", &r.Resource}, pair{"keys", &r.Keys})
	return r, err
}

var (
	registryService  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}$`) })
	registryResource = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9._]{0,49}$`) })
)

// checkRegistries judges the registries. Two of one name would take each other's
// tokens.
func (c *Config) checkRegistries(bad reporter) {
	var names []string
	for _, r := range c.Registries {
		if !registryService().MatchString(r.Service) {
			bad("registries", "%q is not a service: up to 255 letters, digits, dots, dashes, underscores, colons and slashes", r.Service)
		}
		if slices.Contains(names, r.Service) {
			bad("registries", "%s is given twice: each registry needs a name of its own, or it would take another's tokens", r.Service)
		}
		if r.Resource != "" && !registryResource().MatchString(r.Resource) {
			bad("registries", "%s: %q is not the id of a resource", r.Service, r.Resource)
		}
		if !slices.Contains([]string{"", RegistryCertificates, RegistryKeySet}, r.Keys) {
			bad("registries", "%s: keys is %q, which is neither %q nor %q", r.Service, r.Keys, RegistryCertificates, RegistryKeySet)
		}
		names = append(names, r.Service)
	}
}

// registries are the registries by their names.
func (c *Config) registries() map[string]registryapi.Registry {
	all := make(map[string]registryapi.Registry, len(c.Registries))
	for _, r := range c.Registries {
		all[r.Service] = registryapi.Registry{Resource: r.Resource, KeySet: r.Keys == RegistryKeySet}
	}
	return all
}
