package registry

import (
	"regexp"
	"strings"
	"sync"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Bounds of what one request may ask for. Clients ask for two repositories at
// most, one of them to take layers over from.
const (
	maxScopes  = 16
	maxScope   = 512 // bytes
	maxActions = 8
)

// What a scope is made of. Names of repositories are the distribution's, without
// a registry's address: what is written in two ways (capitals, dots that lead
// up, percent signs) is no name.
var (
	scopeType   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([a-z]{1,32})(?:\(([a-z]{1,32})\))?$`) })
	scopeName   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^` + component + `(?:/` + component + `)*$`) })
	scopeAction = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:[a-z]{1,32}|\*)$`) })
)

// reasonScope marks a refusal of a scope's form.
const reasonScope = "registry_scope"

const component = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`

// parseScope reads TYPE[(CLASS)]:NAME:ACTION[,ACTION…]. ok is false for anything else.
func parseScope(text string) (_ *propuskpb.RegistryScope, ok bool) {
	if len(text) > maxScope {
		return nil, false
	}
	kind, rest, _ := strings.Cut(text, ":")
	name, actions, ok := strings.Cut(rest, ":")
	t := scopeType().FindStringSubmatch(kind)
	if !ok || t == nil || len(name) > 255 || !scopeName().MatchString(name) {
		return nil, false
	}
	out := &propuskpb.RegistryScope{Type: t[1], Class: t[2], Name: name, Actions: strings.Split(actions, ",")}
	if len(out.Actions) > maxActions {
		return nil, false
	}
	for _, a := range out.Actions {
		if !scopeAction().MatchString(a) {
			return nil, false
		}
	}
	return out, true
}

// parseScopes reads values of the parameter, each perhaps several scopes joined
// by spaces (RFC 6749 section 3.3).
func parseScopes(values []string) ([]*propuskpb.RegistryScope, error) {
	var out []*propuskpb.RegistryScope
	for _, v := range values {
		for text := range strings.SplitSeq(v, " ") {
			if text == "" {
				continue
			}
			if len(out) == maxScopes {
				return nil, &iam.Error{Kind: iam.InvalidArgument, Reason: "registry_scopes", Message: "More than 16 scopes are asked for at once"}
			}
			s, ok := parseScope(text)
			if !ok {
				return nil, &iam.Error{Kind: iam.InvalidArgument, Reason: reasonScope,
					Message: "A scope is not of the form TYPE:NAME:ACTIONS with a name of lower-case components, such as repository:crp1/app:pull,push: " + shown(text)}
			}
			out = append(out, s)
		}
	}
	return out, nil
}
