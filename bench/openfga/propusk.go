package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// permissions says what an act is called on each kind of resource.
var permissions = map[kind]map[act]iam.Permission{
	organization: {
		view: "organization-manager.organizations.get", edit: "organization-manager.organizations.update",
		administer: "organization-manager.organizations.updateAccessBindings",
	},
	cloud: {
		view: "resource-manager.clouds.get", edit: "resource-manager.clouds.update",
		administer: "resource-manager.clouds.updateAccessBindings",
	},
	folder: {
		view: "resource-manager.folders.get", edit: "resource-manager.folders.update",
		administer: "resource-manager.folders.updateAccessBindings",
	},
	serviceAccount: {
		view: "iam.serviceAccounts.get", edit: "iam.serviceAccounts.update",
		administer: "iam.serviceAccounts.updateAccessBindings",
	},
}

// propusk decides as a node does: the checker over the replica, the replica
// over a store in memory and fed by its change feed. It is for one goroutine.
type propusk struct {
	db      *store.DB
	replica *replica.Replica
	stop    context.CancelCauseFunc
	ended   chan error

	asked []prepared
	keys  []store.Change
	ctx   context.Context
	i     int // of the question that decide answers
	allow bool
	run   func(*replica.View) error // decide, bound once
	check *access.Checker
}

type prepared struct {
	subject    iam.Subject
	permission iam.Permission
	on         string
}

func openPropusk(ctx context.Context, w *world) (asker, error) {
	engine, err := sqlite.OpenMemory()
	if err != nil {
		return nil, err
	}
	p := &propusk{db: store.New(engine, store.Options{}), ctx: ctx, keys: make([]store.Change, 0, 64), ended: make(chan error, 1)}
	if err := p.open(ctx, w); err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	running, stop := context.WithCancelCause(ctx)
	p.stop = stop
	go func() { p.ended <- p.replica.Run(running) }()
	return p, nil
}

func (p *propusk) open(ctx context.Context, w *world) error {
	if err := p.db.Migrate(ctx); err != nil {
		return err
	}
	catalogue, err := access.Builtin()
	if err != nil {
		return err
	}
	p.check, p.replica, p.run = access.NewChecker(catalogue), replica.New(replica.Config{DB: p.db}), p.decide
	if err := p.replica.Start(ctx); err != nil {
		return err
	}
	if err := p.db.Update(ctx, func(tx *store.Tx) error { return load(tx, w) }); err != nil {
		return err
	}
	for _, q := range w.questions {
		p.asked = append(p.asked, prepared{
			subject:    iam.Subject{ID: iam.SubjectID(q.user), Type: iam.TypeUserAccount},
			permission: permissions[q.on.kind][q.act],
			on:         q.on.id,
		})
	}
	return nil
}

func load(tx *store.Tx, w *world) error {
	for _, n := range w.nodes {
		if err := insert(tx, n); err != nil {
			return err
		}
	}
	for _, g := range w.groups {
		err := store.InsertGroup(tx, &iam.Group{ID: g.id, OrganizationID: w.nodes[0].id, Name: g.id, CreatedAt: tx.Now()})
		if err != nil {
			return err
		}
		for _, m := range g.members {
			if _, err := store.AddGroupMember(tx, g.id, iam.Subject{ID: iam.SubjectID(m), Type: iam.TypeUserAccount}); err != nil {
				return err
			}
		}
	}
	for _, b := range w.bindings {
		s := iam.Subject{ID: iam.SubjectID(b.holder), Type: iam.TypeUserAccount}
		if b.isGroup {
			s.Type = iam.TypeGroup
		}
		if _, err := store.AddBinding(tx, b.on.id, iam.AccessBinding{Role: iam.RoleID(b.role), Subject: s}); err != nil {
			return err
		}
	}
	return nil
}

func insert(tx *store.Tx, n *node) error {
	switch n.kind {
	case organization:
		return store.InsertOrganization(tx, &iam.Organization{ID: n.id, Name: n.id, CreatedAt: tx.Now()})
	case cloud:
		return store.InsertCloud(tx, &iam.Cloud{ID: n.id, OrganizationID: n.parent.id, Name: n.id, CreatedAt: tx.Now()})
	case folder:
		return store.InsertFolder(tx, &iam.Folder{
			ID: n.id, CloudID: n.parent.id, Name: n.id, Status: iam.FolderActive, CreatedAt: tx.Now()})
	case serviceAccount:
		return store.InsertServiceAccount(tx, &iam.ServiceAccount{
			ID: n.id, FolderID: n.parent.id, Name: n.id, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
	}
	return fmt.Errorf("no such kind of resource: %s", n.kind)
}

func (p *propusk) decide(v *replica.View) error {
	q := &p.asked[p.i]
	d, err := p.check.Check(v, q.subject, q.permission, q.on)
	p.allow = d.Allowed
	return err
}

// ask implements asker. It notes what the decision rests on, as the server does
// before it acts on one.
func (p *propusk) ask(i int) (bool, error) {
	p.i = i
	_, _, err := p.replica.ConsistentInto(p.ctx, p.keys, p.run)
	return p.allow, err
}

// close implements asker.
func (p *propusk) close() error {
	p.stop(nil)
	<-p.ended
	return p.db.Close()
}
