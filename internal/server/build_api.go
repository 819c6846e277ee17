package server

import (
	"context"
	"encoding/hex"
	"net/http"

	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	workloadpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload"
	oidcpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload/oidc"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/cloudapi/endpoint"
	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	operationapi "github.com/propusk/propusk/internal/cloudapi/operation"
	"github.com/propusk/propusk/internal/cloudapi/resourcemanager"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/publish"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/rest"
	"github.com/propusk/propusk/internal/store"
)

// Rules is every row of the corridor: what is built, and what is answered
// UNIMPLEMENTED.
func Rules() []gate.Rule {
	var all []gate.Rule
	for _, rows := range [][]gate.Rule{
		endpoint.Rules, operationapi.Rules, iamapi.TokenRules, iamapi.ServiceAccountRules, iamapi.KeyRules,
		resourcemanager.CloudRules, resourcemanager.FolderRules, publish.Rules,
		gate.MissingRules(
			"yandex.cloud.iam.v1.AccessAnalyzerService", "yandex.cloud.iam.v1.AccessPolicyTemplateService",
			"yandex.cloud.iam.v1.ApiKeyService", "yandex.cloud.iam.v1.OAuthClientSecretService",
			"yandex.cloud.iam.v1.OAuthClientService", "yandex.cloud.iam.v1.RefreshTokenService",
			"yandex.cloud.iam.v1.RoleService", "yandex.cloud.iam.v1.ServiceControlService",
			"yandex.cloud.iam.v1.SubjectDetailsService", "yandex.cloud.iam.v1.UserAccountService",
			"yandex.cloud.iam.v1.YandexPassportUserAccountService",
			"yandex.cloud.iam.v1.awscompatibility.AccessKeyService", "yandex.cloud.iam.v1.awscompatibility.TemporaryAccessKeyService",
			"yandex.cloud.iam.v1.workload.FederatedCredentialService", "yandex.cloud.iam.v1.workload.oidc.FederationService",
		),
	} {
		all = append(all, rows...)
	}
	return all
}

// services are the handlers behind the gate.
type services struct {
	endpoint *endpoint.Service
	op       *operationapi.Service
	token    *iamapi.TokenService
	account  *iamapi.ServiceAccountService
	key      *iamapi.KeyService
	cloud    *resourcemanager.CloudService
	folder   *resourcemanager.FolderService
}

// Register puts every service of the API on a registrar, those that are not
// built as what they are.
func (v services) register(r *gate.Registrar) {
	endpointpb.RegisterApiEndpointServiceServer(r, v.endpoint)
	operationpb.RegisterOperationServiceServer(r, v.op)
	iampb.RegisterIamTokenServiceServer(r, v.token)
	iampb.RegisterServiceAccountServiceServer(r, v.account)
	iampb.RegisterKeyServiceServer(r, v.key)
	rmpb.RegisterCloudServiceServer(r, v.cloud)
	rmpb.RegisterFolderServiceServer(r, v.folder)
	registerMissing(r)
	publish.Register(r)
}

func registerMissing(r *gate.Registrar) {
	iampb.RegisterAccessAnalyzerServiceServer(r, iampb.UnimplementedAccessAnalyzerServiceServer{})
	iampb.RegisterAccessPolicyTemplateServiceServer(r, iampb.UnimplementedAccessPolicyTemplateServiceServer{})
	iampb.RegisterApiKeyServiceServer(r, iampb.UnimplementedApiKeyServiceServer{})
	iampb.RegisterOAuthClientSecretServiceServer(r, iampb.UnimplementedOAuthClientSecretServiceServer{})
	iampb.RegisterOAuthClientServiceServer(r, iampb.UnimplementedOAuthClientServiceServer{})
	iampb.RegisterRefreshTokenServiceServer(r, iampb.UnimplementedRefreshTokenServiceServer{})
	iampb.RegisterRoleServiceServer(r, iampb.UnimplementedRoleServiceServer{})
	iampb.RegisterServiceControlServiceServer(r, iampb.UnimplementedServiceControlServiceServer{})
	iampb.RegisterSubjectDetailsServiceServer(r, iampb.UnimplementedSubjectDetailsServiceServer{})
	iampb.RegisterUserAccountServiceServer(r, iampb.UnimplementedUserAccountServiceServer{})
	iampb.RegisterYandexPassportUserAccountServiceServer(r, iampb.UnimplementedYandexPassportUserAccountServiceServer{})
	awspb.RegisterAccessKeyServiceServer(r, awspb.UnimplementedAccessKeyServiceServer{})
	awspb.RegisterTemporaryAccessKeyServiceServer(r, awspb.UnimplementedTemporaryAccessKeyServiceServer{})
	workloadpb.RegisterFederatedCredentialServiceServer(r, workloadpb.UnimplementedFederatedCredentialServiceServer{})
	oidcpb.RegisterFederationServiceServer(r, oidcpb.UnimplementedFederationServiceServer{})
}

// buildAPI makes the handlers, the gate in front of them, and hands both doors
// to the listeners.
func (s *Server) buildAPI(ctx context.Context) error {
	pageKey, err := s.pageKey(ctx)
	if err != nil {
		return err
	}
	jwt, err := credential.NewJWTKey(credential.JWTKeyConfig{
		Reads: s.replica, Audiences: s.audiences(), Skew: s.cfg.ClockSkew, Now: s.now})
	if err != nil {
		return err
	}
	d := decider{checker: s.checker, replica: s.replica, db: s.db}
	registrar := &gate.Registrar{}
	s.services(d, pageKey).register(registrar)
	stats := gate.NewStats()
	s.metrics.MustRegister(stats)
	s.gate, err = gate.New(gate.Config{
		Rules: Rules(), Services: registrar, Prover: s.prover(jwt), Access: d,
		Lookups:  map[string]gate.Lookup{iamapi.KeyLookup: s.accountOfKey},
		Granted:  s.checker.Catalogue().Has,
		Recorder: s.recorder(), Replay: cloudapi.Changes{DB: s.db}.Replay, Stats: stats, Log: s.log, Now: s.now,
	})
	if err != nil {
		return err
	}
	s.grpc = NewGRPCServer(&s.cfg, s.gate.Options()...)
	s.gate.Attach(Registrar(s.grpc))
	healthpb.RegisterHealthServer(Registrar(s.grpc), health.NewServer())
	return s.buildPages()
}

func (s *Server) services(d decider, pageKey []byte) services {
	changes := cloudapi.Changes{DB: s.db, Record: func(tx *store.Tx, c *gate.Call) error {
		return audit.Insert(tx, gate.EventOf(c, nil))
	}}
	pages := cloudapi.Pages{Key: pageKey}
	bindings := func(kind resource.Kind, prefix string) cloudapi.Bindings {
		return cloudapi.Bindings{BindingsDB: s.db, BindingsChanges: changes, BindingsPages: pages, Grants: d, Kind: kind, Prefix: prefix}
	}
	s.deletions = &resourcemanager.Deletions{DB: s.db, Changes: changes, RecordJob: s.recordJob}
	return services{
		endpoint: endpoint.New(s.apiAddress(), s.cfg.Endpoints),
		op:       &operationapi.Service{DB: s.db, ListPermission: s.listOperationsOf, CancelDeletion: s.deletions.Cancel},
		token:    &iamapi.TokenService{Changes: changes, Minter: s.minter, Accounts: s.replica, Verify: s.revoked.Verify, Now: s.now},
		account: &iamapi.ServiceAccountService{Bindings: bindings(resource.ServiceAccount, resource.PrefixIAM),
			DB: s.db, Changes: changes, Pages: pages, Now: s.now},
		key: &iamapi.KeyService{DB: s.db, Changes: changes, Pages: pages},
		cloud: &resourcemanager.CloudService{Bindings: bindings(resource.Cloud, resource.PrefixManager),
			DB: s.db, Changes: changes, Pages: pages, Deletions: s.deletions, Holders: d.holders},
		folder: &resourcemanager.FolderService{Bindings: bindings(resource.Folder, resource.PrefixManager),
			DB: s.db, Changes: changes, Pages: pages, Deletions: s.deletions},
	}
}

// prover says how each place of a credential is proved.
func (s *Server) prover(jwt *credential.JWTKey) gate.Prover {
	bearer := &credential.IAMToken{Verifier: s.revoked, Accounts: s.replica, Now: s.now}
	return gate.Prover{
		Header: proveHeader(bearer),
		Body: map[string]func(context.Context, proto.Message) (*credential.Identity, error){
			iampb.IamTokenService_Create_FullMethodName: func(ctx context.Context, m proto.Message) (*credential.Identity, error) {
				r := m.(*iampb.CreateIamTokenRequest)
				if _, ok := r.GetIdentity().(*iampb.CreateIamTokenRequest_Jwt); !ok {
					return nil, &iam.Error{Kind: iam.Unauthenticated, Message: "OAuth token is invalid or expired", Reason: "oauth"}
				}
				id, err := jwt.Prove(ctx, r.GetJwt())
				if err == nil {
					s.used.note(id.CredentialID, string(id.Subject.ID), s.now())
				}
				return id, err
			},
		},
	}
}

func (s *Server) accountOfKey(ctx context.Context, id string) (string, error) {
	k, err := s.replica.Key(ctx, id)
	if err != nil {
		return "", err
	}
	return k.ServiceAccountID, nil
}

var listOperations = map[resource.Kind]iam.Permission{
	resource.Cloud:          "resource-manager.clouds.listOperations",
	resource.Folder:         "resource-manager.folders.listOperations",
	resource.ServiceAccount: "iam.serviceAccounts.listOperations",
}

// listOperationsOf names the right to see the operations of a live resource or
// key, and the resource that it is asked on; "" when nobody has it.
func (s *Server) listOperationsOf(ctx context.Context, id string) (may iam.Permission, on string) {
	if account, err := s.accountOfKey(ctx, id); err == nil {
		return "iam.keys.listOperations", account
	}
	path, err := s.replica.Ancestors(ctx, id)
	if err != nil || len(path) == 0 {
		return "", ""
	}
	return listOperations[path[0].Kind], id
}

const settingPageKey = "page-key"

// pageKey is the installation's secret that page tokens are bound to lists
// with. It protects consistency, not data, and so is kept as it is.
func (s *Server) pageKey(ctx context.Context) (key []byte, err error) {
	fresh := randomHex(32)
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		text, ok, err := store.GetSetting(tx, settingPageKey)
		if err != nil {
			return err
		}
		if !ok {
			text = fresh
			if err := store.SetSetting(tx, settingPageKey, text); err != nil {
				return err
			}
		}
		key, err = hex.DecodeString(text)
		return err
	})
	return key, err
}

// buildPages puts everything that HTTP shows behind one handler.
func (s *Server) buildPages() error {
	api, err := rest.New(s.gate, s.log)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	(&publish.Door{Gate: s.gate, Documents: s.revoked, Stopping: s.doors.Stopping()}).Mount(mux)
	s.pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux redirects paths that are not clean, which no client of an API
		// expects; so it is asked for its own paths alone.
		if page, pattern := mux.Handler(r); pattern != "" {
			page.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
	return nil
}

// proveHeader proves the IAM token in an Authorization header.
func proveHeader(bearer *credential.IAMToken) func(context.Context, string) (*credential.Identity, error) {
	return func(ctx context.Context, authorization string) (*credential.Identity, error) {
		text, err := credential.Bearer(authorization)
		if err != nil {
			return nil, err
		}
		return bearer.Prove(ctx, text)
	}
}
