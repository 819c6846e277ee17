package access

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/propusk/propusk/internal/iam"
)

// Item is one definition, as it is kept: what it is, its id, whose it is, and
// itself as JSON.
type Item struct {
	Kind         string // ItemRole, ItemScope or ItemResourceType
	ID           string
	Organization string
	Body         string
}

// The kinds of item.
const (
	ItemRole         = "role"
	ItemScope        = "scope"
	ItemResourceType = "resourceType"
)

// Items takes definitions apart.
func (d Definitions) Items() ([]Item, error) {
	var all []Item
	add := func(kind, id, organization string, body any) error {
		text, err := json.Marshal(body)
		if err == nil {
			all = append(all, Item{Kind: kind, ID: id, Organization: organization, Body: string(text)})
		}
		return err
	}
	for _, r := range d.Roles {
		if err := add(ItemRole, string(r.ID), r.Organization, asFileRole(r)); err != nil {
			return nil, err
		}
	}
	for _, s := range d.Scopes {
		if err := add(ItemScope, s.ID, "", fileScope(s)); err != nil {
			return nil, err
		}
	}
	for _, t := range d.ResourceTypes {
		if err := add(ItemResourceType, string(t.Type), "", fileType(t)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// JoinItems puts definitions together again. Everything is checked as it was
// when it came in: rows outlive the program that wrote them.
func JoinItems(items []Item) (Definitions, error) {
	all := Definitions{places: map[string]string{}}
	for _, i := range items {
		// JSON is YAML, so that there is one reader for both.
		d, err := ParseDefinitions(fmt.Sprintf("imported %s %s", i.Kind, i.ID), []byte(`{"`+i.Kind+`s":[`+i.Body+`]}`))
		if err != nil {
			return Definitions{}, err
		}
		if len(d.Roles)+len(d.Scopes)+len(d.ResourceTypes) != 1 {
			return Definitions{}, iam.Errorf(iam.InvalidArgument, "imported %s %s: is not one definition", i.Kind, i.ID)
		}
		if i.Organization != "" {
			if d, err = d.Of(i.Organization); err != nil {
				return Definitions{}, err
			}
		}
		all.Roles = append(all.Roles, d.Roles...)
		all.Scopes = append(all.Scopes, d.Scopes...)
		all.ResourceTypes = append(all.ResourceTypes, d.ResourceTypes...)
		maps.Copy(all.places, d.places)
	}
	return all, nil
}
