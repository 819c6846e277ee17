package main

import (
	"context"
	"errors"
	"fmt"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// What another service's question may cost, in calls of a method that does
// nothing, on the same framework in the same run.
const (
	authenticatePromise = 1.5
	authorizePromise    = 1.6
	nothingPromised     = 0
)

// emptyMethod is the call that does nothing.
const emptyMethod = "/bench.Empty/Call"

// registerEmpty gives a gRPC server the method that does nothing.
func registerEmpty(s *grpc.Server) {
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Empty", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Call",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			return &emptypb.Empty{}, decode(&emptypb.Empty{})
		},
	}}}, struct{}{})
}

// askDoor makes calls over one connection each.
func askDoor(name, address string, call func(ctx context.Context, conn *grpc.ClientConn, number int) error) door {
	return door{name, func() (client, error) {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		return askClient{conn, call}, err
	}}
}

type askClient struct {
	conn *grpc.ClientConn
	call func(ctx context.Context, conn *grpc.ClientConn, number int) error
}

func (c askClient) close() { c.conn.Close() }

func (c askClient) exchange(ctx context.Context, number int) error {
	return c.call(ctx, c.conn, number)
}

// askedAbout is how many different subjects are asked about.
const askedAbout = 16

// place is where the questions are asked, and the API keys that are shown.
type place struct {
	organization, cloud, folder string
	apiKeys                     []string // of the subjects
}

// accessService measures questions of another service, which proves itself by
// its token with every call.
func (p *plan) accessService(ctx context.Context, t *table, few *installation) error {
	at, err := few.admitService(ctx)
	if err != nil {
		return err
	}
	base, err := few.serveBare(ctx)
	if err != nil {
		return err
	}
	defer base.stop()
	ours, err := few.serve(ctx)
	if err != nil {
		return err
	}
	defer ours.stop()
	doors, err := few.askDoors(ctx, ours, at)
	if err != nil {
		return err
	}
	empty := base.emptyDoor()
	for n, d := range doors {
		promise := []float64{authenticatePromise, authorizePromise, authenticatePromise, authenticatePromise, nothingPromised}[n]
		for _, connections := range p.connections {
			say("%s, %d connections", d.name, connections)
			pairs, err := contest(ctx, p.rounds,
				func(ctx context.Context) (round, error) {
					return p.uniform(ctx, base.process, empty, connections, askedAbout)
				},
				func(ctx context.Context) (round, error) {
					return p.uniform(ctx, ours.process, d, connections, askedAbout)
				})
			if err != nil {
				return err
			}
			t.heading("%s, connections: %d, beside an empty gRPC call", d.name, connections)
			t.compare("CPU of the server, us a request", pairs, func(r round) float64 { return r.cpu }, "%.1f", promise)
			addSpeed(t, pairs)
		}
	}
	return nil
}

// admitService gives the first account the role of a calling service, and all
// the right to see their folder.
func (i *installation) admitService(ctx context.Context) (at place, err error) {
	engine, err := sqlite.Open(i.data)
	if err != nil {
		return at, err
	}
	db := store.New(engine, store.Options{})
	defer func() { err = errors.Join(err, db.Close()) }()
	var rows []*iam.APIKey
	for n := range askedAbout {
		secret, k := credential.NewAPIKey()
		k.ID, k.ServiceAccountID, k.Scopes = fmt.Sprint("benchkey", n), i.signers[n].accountID, []string{"yc.ydb.tables.manage"}
		rows, at.apiKeys = append(rows, k), append(at.apiKeys, secret.Reveal())
	}
	err = db.Update(ctx, func(tx *store.Tx) error {
		for _, k := range rows {
			if err := store.InsertAPIKey(tx, k); err != nil {
				return err
			}
		}
		path, err := store.Ancestors(tx, i.signers[0].accountID)
		if err != nil {
			return err
		}
		at = place{apiKeys: at.apiKeys, folder: path[1].ID, cloud: path[2].ID, organization: path[3].ID}
		give := func(on string, role iam.RoleID, n int) error {
			_, err := store.AddBinding(tx, on, iam.AccessBinding{Role: role,
				Subject: iam.Subject{ID: iam.SubjectID(i.signers[n].accountID), Type: iam.TypeServiceAccount}})
			return err
		}
		if err := give(at.organization, "iam.accessService.user", 0); err != nil {
			return err
		}
		if err := give(at.folder, "iam.serviceAccounts.accessKeyAdmin", 0); err != nil {
			return err
		}
		for n := range askedAbout {
			if err := give(at.folder, "viewer", n); err != nil {
				return err
			}
		}
		return nil
	})
	i.caller = i.signers[0].accountID
	return at, err
}

// askDoors are the questions, with tokens that have been seen before, with API
// keys, with signatures of static access keys and with those of ephemeral ones.
func (i *installation) askDoors(ctx context.Context, r *running, at place) ([]door, error) {
	conn, err := grpc.NewClient(r.calls, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var authenticate []*accesspb.AuthenticateRequest
	var authorize []*accesspb.AuthorizeRequest
	var own string
	var temporary []temporaryKey
	for n := range askedAbout {
		got, err := iampb.NewIamTokenServiceClient(conn).Create(ctx, &iampb.CreateIamTokenRequest{
			Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: i.jwts[n]}})
		if err != nil {
			return nil, err
		}
		if n == 0 {
			own = "Bearer " + got.GetIamToken()
		}
		key, err := temporaryKeyOf(ctx, conn, got.GetIamToken())
		if err != nil {
			return nil, err
		}
		temporary = append(temporary, key)
		authenticate = append(authenticate, &accesspb.AuthenticateRequest{
			Credentials: &accesspb.AuthenticateRequest_IamToken{IamToken: got.GetIamToken()}})
		authorize = append(authorize, &accesspb.AuthorizeRequest{
			Identity: &accesspb.AuthorizeRequest_IamToken{IamToken: got.GetIamToken()}, Permission: "resource-manager.folders.get",
			ResourcePath: []*accesspb.Resource{{Type: "ydb.database", Id: fmt.Sprint("db", n)},
				{Type: string(resource.Folder), Id: at.folder}, {Type: string(resource.Cloud), Id: at.cloud}}})
	}
	with := func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "authorization", own)
	}
	keys, err := i.accessKeys(with(ctx), conn)
	if err != nil {
		return nil, err
	}
	return []door{
		askDoor("AccessService Authenticate", r.access, func(ctx context.Context, conn *grpc.ClientConn, n int) error {
			_, err := accesspb.NewAccessServiceClient(conn).Authenticate(with(ctx), authenticate[n%askedAbout])
			return err
		}),
		askDoor("AccessService Authorize", r.access, func(ctx context.Context, conn *grpc.ClientConn, n int) error {
			_, err := accesspb.NewAccessServiceClient(conn).Authorize(with(ctx), authorize[n%askedAbout])
			return err
		}),
		askDoor("AccessService Authenticate with an API key", r.access, func(ctx context.Context, conn *grpc.ClientConn, n int) error {
			_, err := accesspb.NewAccessServiceClient(conn).Authenticate(with(ctx), &accesspb.AuthenticateRequest{
				Credentials: &accesspb.AuthenticateRequest_ApiKey{ApiKey: at.apiKeys[n%askedAbout]}})
			return err
		}),
		signatureDoor(r.access, keys, with),
		storageDoor(r.access, at.folder, temporary, with),
	}, nil
}

func (r *running) emptyDoor() door {
	return askDoor("Empty", r.calls, func(ctx context.Context, conn *grpc.ClientConn, _ int) error {
		return conn.Invoke(ctx, emptyMethod, &emptypb.Empty{}, &emptypb.Empty{})
	})
}

// profileAsks leaves a CPU profile of the empty call and of each question.
func (p *plan) profileAsks(ctx context.Context, few *installation, dir string) error {
	at, err := few.admitService(ctx)
	if err != nil {
		return err
	}
	base, err := few.serveBare(ctx)
	if err != nil {
		return err
	}
	defer base.stop()
	d := base.emptyDoor()
	if err := base.profile(ctx, d, dir+"/bare-"+d.name+".pprof"); err != nil {
		return err
	}
	r, err := few.serve(ctx)
	if err != nil {
		return err
	}
	defer r.stop()
	doors, err := few.askDoors(ctx, r, at)
	if err != nil {
		return err
	}
	for _, d := range doors {
		if err := r.profile(ctx, d, dir+"/propusk-"+d.name+".pprof"); err != nil {
			return err
		}
	}
	return nil
}
