package server

import (
	"context"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// roleArea is the roles there are.
var roleArea = area{
	rules: iamapi.RoleRules,
	register: func(s *Server, k kit, r *gate.Registrar) {
		iampb.RegisterRoleServiceServer(r, &iamapi.RoleService{Pages: k.pages, Roles: k.decider.allRoles, Known: k.decider.known})
	},
}

// allRoles are the roles in force.
func (d decider) allRoles(ctx context.Context) ([]iam.Role, error) {
	if err := d.roles.fresh(ctx); err != nil {
		return nil, err
	}
	return d.checker.Catalogue().Roles(), nil
}

// scopes are the ids of the scopes in force, sorted.
func (d decider) scopes(ctx context.Context) ([]string, error) {
	if err := d.roles.fresh(ctx); err != nil {
		return nil, err
	}
	var out []string
	for _, scope := range d.checker.Catalogue().Scopes() {
		out = append(out, scope.ID)
	}
	return out, nil
}

// known are the organizations of which Knows says yes.
func (d decider) known(ctx context.Context, who iam.Subject) (map[string]bool, error) {
	known := map[string]bool{}
	if who.Type == iam.TypeServiceAccount {
		path, err := d.replica.Ancestors(ctx, string(who.ID))
		if err == nil && len(path) > 0 {
			known[path[len(path)-1].ID] = true
		}
	}
	mine, err := d.replica.Organizations(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	for _, id := range mine {
		known[id] = true
	}
	holders, err := d.holders(ctx, who)
	if err != nil {
		return nil, err
	}
	return known, d.db.View(ctx, func(tx *store.Tx) error {
		guest, err := store.OrganizationsBoundIn(tx, personal(holders))
		for _, id := range guest {
			known[id] = true
		}
		return err
	})
}
