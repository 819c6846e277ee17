package main

import (
	"context"
	"errors"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"
	"github.com/openfga/openfga/pkg/server"
	"github.com/openfga/openfga/pkg/server/config"
	"github.com/openfga/openfga/pkg/storage/memory"
)

// model is the same access model in OpenFGA's language. Roles are what is
// given, and what is asked is defined from them, so that each relation is
// walked up the tree once: with the roles themselves inherited ("viewer or
// editor or viewer from parent") the same rows are read several times.
const model = `model
  schema 1.1

type user

type group
  relations
    define member: [user]

type organization
  relations
    define viewer: [user, group#member]
    define editor: [user, group#member]
    define admin: [user, group#member]
    define can_viewer: viewer or editor or admin
    define can_editor: editor or admin
    define can_admin: admin

type cloud
  relations
    define parent: [organization]
    define viewer: [user, group#member]
    define editor: [user, group#member]
    define admin: [user, group#member]
    define can_viewer: viewer or editor or admin or can_viewer from parent
    define can_editor: editor or admin or can_editor from parent
    define can_admin: admin or can_admin from parent

type folder
  relations
    define parent: [cloud]
    define viewer: [user, group#member]
    define editor: [user, group#member]
    define admin: [user, group#member]
    define can_viewer: viewer or editor or admin or can_viewer from parent
    define can_editor: editor or admin or can_editor from parent
    define can_admin: admin or can_admin from parent

type service_account
  relations
    define parent: [folder]
    define viewer: [user, group#member]
    define editor: [user, group#member]
    define admin: [user, group#member]
    define can_viewer: viewer or editor or admin or can_viewer from parent
    define can_editor: editor or admin or can_editor from parent
    define can_admin: admin or can_admin from parent
`

// openfga is its server with its datastore in memory, called without a network
// and without encoding.
type openfga struct {
	server *server.Server
	ctx    context.Context
	asked  []*openfgav1.CheckRequest
}

func openOpenFGA(options ...server.OpenFGAServiceV1Option) func(context.Context, *world) (asker, error) {
	return func(ctx context.Context, w *world) (asker, error) {
		all := append([]server.OpenFGAServiceV1Option{server.WithDatastore(memory.New())}, options...)
		s, err := server.NewServerWithOpts(all...)
		if err != nil {
			return nil, err
		}
		o := &openfga{server: s, ctx: ctx}
		if err := o.load(ctx, w); err != nil {
			return nil, errors.Join(err, o.close())
		}
		return o, nil
	}
}

func (o *openfga) load(ctx context.Context, w *world) error {
	m, err := transformer.TransformDSLToProto(model)
	if err != nil {
		return err
	}
	created, err := o.server.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "bench"})
	if err != nil {
		return err
	}
	written, err := o.server.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId: created.GetId(), SchemaVersion: m.GetSchemaVersion(), TypeDefinitions: m.GetTypeDefinitions()})
	if err != nil {
		return err
	}
	all := tuples(w)
	for len(all) > 0 {
		n := min(len(all), config.DefaultMaxTuplesPerWrite)
		_, err := o.server.Write(ctx, &openfgav1.WriteRequest{
			StoreId: created.GetId(), AuthorizationModelId: written.GetAuthorizationModelId(),
			Writes: &openfgav1.WriteRequestWrites{TupleKeys: all[:n]}})
		if err != nil {
			return err
		}
		all = all[n:]
	}
	for _, q := range w.questions {
		o.asked = append(o.asked, &openfgav1.CheckRequest{
			StoreId: created.GetId(), AuthorizationModelId: written.GetAuthorizationModelId(),
			TupleKey: &openfgav1.CheckRequestTupleKey{
				User: "user:" + q.user, Relation: "can_" + string(q.act), Object: q.on.name()}})
	}
	return nil
}

func tuples(w *world) []*openfgav1.TupleKey {
	all := make([]*openfgav1.TupleKey, 0, w.facts())
	add := func(user, relation, object string) {
		all = append(all, &openfgav1.TupleKey{User: user, Relation: relation, Object: object})
	}
	for _, n := range w.nodes {
		if n.parent != nil {
			add(n.parent.name(), "parent", n.name())
		}
	}
	for _, g := range w.groups {
		for _, m := range g.members {
			add("user:"+m, "member", "group:"+g.id)
		}
	}
	for _, b := range w.bindings {
		holder := "user:" + b.holder
		if b.isGroup {
			holder = "group:" + b.holder + "#member"
		}
		add(holder, b.role, b.on.name())
	}
	return all
}

// ask implements asker.
func (o *openfga) ask(i int) (bool, error) {
	answer, err := o.server.Check(o.ctx, o.asked[i])
	return answer.GetAllowed(), err
}

// close implements asker.
func (o *openfga) close() error {
	o.server.Close()
	return nil
}
