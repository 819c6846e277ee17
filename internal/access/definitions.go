package access

import (
	_ "embed"
	"fmt"
	"maps"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Definitions are what one or several files say: roles, the scopes that narrow
// an API key, and the types of resource that services may ask about. They mean
// something only together with those they refer to: see Compile.
type Definitions struct {
	Roles         []iam.Role
	Scopes        []Scope
	ResourceTypes []ResourceType

	places map[string]string // "role iam.viewer" → "roles.yaml:12", where known
}

// Scope narrows an API key to some permissions. It never widens: the key's
// service account must hold them too [API fact: api-key].
type Scope struct {
	ID          string
	Description string
	Permissions []iam.Permission
}

// ResourceType is a kind of resource that may be registered and asked about.
type ResourceType struct {
	Type        resource.Kind
	Description string
	Parents     []resource.Kind // it stands below one of them; none: a root of its own
	Anonymous   bool            // allUsers covers who has not proved itself; elsewhere it is allAuthenticatedUsers [API fact: public-group]
}

//go:embed roles.yaml
var rolesFile []byte

//go:embed services.yaml
var servicesFile []byte

//go:embed scopes.yaml
var scopesFile []byte

//go:embed types.yaml
var typesFile []byte

// BuiltinDefinitions are what the server knows from birth.
func BuiltinDefinitions() (Definitions, error) {
	var all Definitions
	for _, f := range []struct {
		name string
		text []byte
	}{{"roles.yaml", rolesFile}, {"services.yaml", servicesFile}, {"scopes.yaml", scopesFile}, {"types.yaml", typesFile}} {
		d, err := ParseDefinitions("builtin "+f.name, f.text)
		if err != nil {
			return Definitions{}, err
		}
		all = all.With(d)
	}
	return all, nil
}

// Builtin is the catalogue of what the server knows from birth.
func Builtin() (*Catalogue, error) {
	d, err := BuiltinDefinitions()
	if err != nil {
		return nil, err
	}
	return Compile(d)
}

// With joins definitions; what both define is refused by Compile.
func (d Definitions) With(more Definitions) Definitions {
	places := make(map[string]string, len(d.places)+len(more.places))
	maps.Copy(places, d.places)
	for key, place := range more.places {
		if first, twice := places[key]; twice {
			place = first + " and " + place
		}
		places[key] = place
	}
	return Definitions{
		Roles:         append(d.Roles[:len(d.Roles):len(d.Roles)], more.Roles...),
		Scopes:        append(d.Scopes[:len(d.Scopes):len(d.Scopes)], more.Scopes...),
		ResourceTypes: append(d.ResourceTypes[:len(d.ResourceTypes):len(d.ResourceTypes)], more.ResourceTypes...),
		places:        places,
	}
}

// Of makes all roles one organization's own. Scopes and resource types are
// everybody's, so a file that has some is refused.
func (d Definitions) Of(organizationID string) (Definitions, error) {
	if len(d.Scopes) > 0 {
		return d, iam.Errorf(iam.InvalidArgument, "%s", d.problem("scope", d.Scopes[0].ID, "an organization can have roles of its own, not scopes"))
	}
	if len(d.ResourceTypes) > 0 {
		return d, iam.Errorf(iam.InvalidArgument, "%s",
			d.problem("resource type", string(d.ResourceTypes[0].Type), "an organization can have roles of its own, not resource types"))
	}
	own := make([]iam.Role, len(d.Roles))
	for i, r := range d.Roles {
		own[i] = r
		own[i].Organization = organizationID
	}
	d.Roles = own
	return d, nil
}

// problem says what is wrong with one definition, and where it stands.
func (d Definitions) problem(kind, id, format string, args ...any) string {
	text := fmt.Sprintf("%s %s: "+format, append([]any{kind, id}, args...)...)
	if place := d.places[kind+" "+id]; place != "" {
		text = place + ": " + text
	}
	return text
}
