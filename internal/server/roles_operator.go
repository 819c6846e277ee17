package server

import (
	"context"
	"errors"
	"slices"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// Paths of the operator's commands about roles on the socket.
const (
	PathRoleImport = "/role/import"
	PathRoleList   = "/role/list"
	PathRoleExport = "/role/export"
	PathRoleDelete = "/role/delete"
)

func (s *Server) handleRoles() {
	handle(s, PathRoleImport, (*Server).RoleImport)
	handle(s, PathRoleList, (*Server).RoleList)
	handle(s, PathRoleExport, (*Server).RoleExport)
	handle(s, PathRoleDelete, (*Server).RoleDelete)
}

// RoleImportRequest brings a file of definitions.
type RoleImportRequest struct {
	Name         string `json:"name"` // of the file, for what is said about it
	File         string `json:"file"` // its text
	Organization string `json:"organization"`
}

// RoleImportResult says what the file came to.
type RoleImportResult struct {
	Changed   int `json:"changed"` // new or different
	Unchanged int `json:"unchanged"`
}

// RoleImport takes in a file of definitions, all of it or nothing: for
// everybody, or as roles of one organization. What it defines replaces what was
// imported under the same id; nothing is taken away. It is in force here with
// the answer, on other nodes when they hear the feed.
func (s *Server) RoleImport(ctx context.Context, r RoleImportRequest) (*RoleImportResult, error) {
	given, err := access.ParseDefinitions(r.Name, []byte(r.File))
	if err != nil {
		return nil, err
	}
	if r.Organization != "" {
		if given, err = given.Of(r.Organization); err != nil {
			return nil, err
		}
	}
	items, err := given.Items()
	if err != nil {
		return nil, err
	}
	var out RoleImportResult
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		out = RoleImportResult{}
		if err := lockDefinitions(tx, r.Organization); err != nil {
			return err
		}
		others, err := importedItems(tx)
		if err != nil {
			return err
		}
		for _, i := range items {
			at := slices.IndexFunc(others, func(o access.Item) bool { return o.Kind == i.Kind && o.ID == i.ID })
			if at >= 0 && others[at] == i {
				out.Unchanged++
			} else {
				out.Changed++
				if err := s.putDefinition(tx, i); err != nil {
					return err
				}
			}
			if at >= 0 {
				others = slices.Delete(others, at, at+1)
			}
		}
		_, err = s.roles.with(others, given)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &out, s.roles.fresh(ctx)
}

// lockDefinitions holds all definitions, and the organization that some belong to.
func lockDefinitions(tx *store.Tx, organizationID string) error {
	if err := store.LockDefinitions(tx); err != nil || organizationID == "" {
		return err
	}
	if _, err := store.GetOrganization(tx, organizationID); err != nil {
		return err
	}
	return store.LockResource(tx, organizationID)
}

func (s *Server) putDefinition(tx *store.Tx, i access.Item) error {
	err := store.PutDefinition(tx, &store.Definition{
		Kind: store.DefinitionKind(i.Kind), ID: i.ID, OrganizationID: i.Organization, Body: i.Body, ModifiedAt: tx.Now()})
	if err != nil {
		return err
	}
	return s.recordDefinition(tx, "propusk.ImportDefinition", i)
}

// recordDefinition writes the audit line of an operator's change of a definition.
func (s *Server) recordDefinition(tx *store.Tx, event string, i access.Item) error {
	var path []audit.Place
	if i.Organization != "" {
		path = append(path, audit.Place{Type: string(resource.Organization), ID: i.Organization})
	}
	return audit.Insert(tx, &audit.Event{
		Type: audit.TypeOf(event), Time: tx.Now(), Status: audit.Done,
		Authorization: audit.Authorization{Authorized: true},
		Resource:      audit.Resource{Path: append(path, audit.Place{Type: "propusk." + i.Kind, ID: i.ID})},
		Request:       audit.Request{UserAgent: "propusk operator"},
		Details:       audit.Details{audit.Text("definition", i.Body)}, // a long one is cut
	})
}

// RoleListRequest asks for the roles that an organization can use.
type RoleListRequest struct {
	Organization string `json:"organization"` // "" for everybody's alone
}

// RoleInfo is a role as an operator sees it.
type RoleInfo struct {
	ID           string `json:"id"`
	Description  string `json:"description"`
	Organization string `json:"organization"`
	Imported     bool   `json:"imported"` // else it is builtin or in a file
}

// RoleListResult lists roles ordered by id.
type RoleListResult struct {
	Roles []RoleInfo `json:"roles"`
}

// RoleList lists everybody's roles, and one organization's own.
func (s *Server) RoleList(ctx context.Context, r RoleListRequest) (*RoleListResult, error) {
	items, err := s.importedFor(ctx, r.Organization, true)
	if err != nil {
		return nil, err
	}
	if err := s.roles.fresh(ctx); err != nil {
		return nil, err
	}
	imported := map[string]bool{}
	for _, i := range items {
		imported[i.ID] = imported[i.ID] || i.Kind == access.ItemRole
	}
	out := &RoleListResult{}
	for _, role := range s.checker.Catalogue().Roles() {
		if role.Organization == "" || role.Organization == r.Organization {
			out.Roles = append(out.Roles, RoleInfo{ID: string(role.ID), Description: role.Description,
				Organization: role.Organization, Imported: imported[string(role.ID)]})
		}
	}
	return out, nil
}

// RoleExportRequest asks for what was imported for everybody or for one organization.
type RoleExportRequest struct {
	Organization string `json:"organization"`
}

// RoleExportResult is a file that can be imported again.
type RoleExportResult struct {
	File string `json:"file"`
}

// RoleExport writes what was imported, for everybody or one organization.
func (s *Server) RoleExport(ctx context.Context, r RoleExportRequest) (*RoleExportResult, error) {
	items, err := s.importedFor(ctx, r.Organization, false)
	if err != nil {
		return nil, err
	}
	d, err := access.JoinItems(items)
	if err != nil {
		return nil, err
	}
	text, err := d.Format()
	return &RoleExportResult{File: string(text)}, err
}

// RoleDeleteRequest names what to delete.
type RoleDeleteRequest struct {
	Kind string `json:"kind"` // access.ItemRole when empty
	ID   string `json:"id"`
}

// RoleDelete takes out something that was imported: FAILED_PRECONDITION while a
// role is bound, a resource of the type registered, or what is left refers to it.
func (s *Server) RoleDelete(ctx context.Context, r RoleDeleteRequest) (*struct{}, error) {
	if r.Kind == "" {
		r.Kind = access.ItemRole
	}
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		if err := store.LockDefinitions(tx); err != nil {
			return err
		}
		all, err := importedItems(tx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(all, func(i access.Item) bool { return i.Kind == r.Kind && i.ID == r.ID })
		if at < 0 {
			return s.notImported(r)
		}
		gone := all[at]
		if err := unused(tx, gone); err != nil {
			return err
		}
		_, broken := s.roles.with(all, access.Definitions{})
		if _, err := s.roles.with(slices.Delete(all, at, at+1), access.Definitions{}); err != nil && broken == nil {
			return iam.Wrap(err, iam.FailedPrecondition, "%s %s is still needed: %s", r.Kind, r.ID, messageOf(err))
		}
		if err := store.DeleteDefinition(tx, store.DefinitionKind(gone.Kind), gone.ID); err != nil {
			return err
		}
		return s.recordDefinition(tx, "propusk.DeleteDefinition", gone)
	})
	if err != nil {
		return nil, err
	}
	return &struct{}{}, s.roles.fresh(ctx)
}

// notImported says why something cannot be deleted that was not imported.
func (s *Server) notImported(r RoleDeleteRequest) error {
	if _, err := s.checker.Catalogue().Role(iam.RoleID(r.ID)); r.Kind == access.ItemRole && err == nil {
		return iam.Errorf(iam.FailedPrecondition, "role %s was not imported: it is builtin or stands in a file", r.ID)
	}
	return iam.Errorf(iam.NotFound, "%s %s not found among what was imported", r.Kind, r.ID)
}

// unused refuses what rows still refer to.
func unused(tx *store.Tx, i access.Item) error {
	switch i.Kind {
	case access.ItemRole:
		if err := store.HoldRoles(tx, iam.RoleID(i.ID)); err != nil {
			return err
		}
		n, err := store.CountBindingsOfRole(tx, iam.RoleID(i.ID))
		if err == nil && n > 0 {
			err = iam.Errorf(iam.FailedPrecondition, "role %s is still bound (bindings: %d): take them away first", i.ID, n)
		}
		return err
	case access.ItemResourceType:
		n, err := store.CountResources(tx, resource.Kind(i.ID))
		if err == nil && n > 0 {
			err = iam.Errorf(iam.FailedPrecondition, "resource type %s has %d resources: remove them first", i.ID, n)
		}
		return err
	}
	return nil
}

func messageOf(err error) string {
	if e, ok := errors.AsType[*iam.Error](err); ok {
		return e.Message
	}
	return err.Error()
}

func importedItems(tx *store.Tx) ([]access.Item, error) {
	rows, err := store.ListDefinitions(tx)
	items := make([]access.Item, len(rows))
	for i, r := range rows {
		items[i] = access.Item{Kind: string(r.Kind), ID: r.ID, Organization: r.OrganizationID, Body: r.Body}
	}
	return items, err
}

// importedFor lists what was imported for an organization, with what is
// everybody's if asked; "" means everybody's.
func (s *Server) importedFor(ctx context.Context, organizationID string, everybodys bool) (items []access.Item, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		if organizationID != "" {
			if _, err := store.GetOrganization(tx, organizationID); err != nil {
				return err
			}
		}
		items, err = importedItems(tx)
		return err
	})
	return slices.DeleteFunc(items, func(i access.Item) bool {
		return i.Organization != organizationID && (i.Organization != "" || !everybodys)
	}), err
}
