package server

import (
	"context"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/cloudapi/organization"
	quotaapi "github.com/propusk/propusk/internal/cloudapi/quota"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/kubernetes"
	"github.com/propusk/propusk/internal/oauth"
	"github.com/propusk/propusk/internal/publish"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/registry"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/rest"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/sts"
	"github.com/propusk/propusk/internal/web"
)

// area is a part of the API: its rows, and how its services are put on a
// registrar.
type area struct {
	rules    []gate.Rule
	register func(s *Server, k kit, r *gate.Registrar)
	// proofs are those of its methods whose credential is in the message, by
	// their full names. It may be nil.
	proofs func(s *Server, k kit) (map[string]bodyProof, error)
}

// bodyProof proves the credential inside a message.
type bodyProof = func(ctx context.Context, message proto.Message) (*credential.Identity, error)

// areas is the whole API, what is built and what is answered UNIMPLEMENTED.
// The file of an area is api_<name>.go.
func areas() []area {
	return []area{
		credentialArea, oauthClientArea, hierarchyArea, organizationArea, peopleArea, signInArea, joinArea, passkeyArea, upstreamArea, oauthArea, roleArea, policyArea, controlArea,
		temporaryArea, idTokenArea, revocationArea, leakArea, resourceArea, quotaArea, accessArea, registryArea, kubernetesArea,
	}
}

// kit is what handlers are built from.
type kit struct {
	decider decider
	changes cloudapi.Changes
	pages   cloudapi.Pages
	quotas  quota.Limits
}

// bindings are the three access-binding methods of a kind of resource; prefix
// is that of its operations' ids.
func (k kit) bindings(kind resource.Kind, prefix string) cloudapi.Bindings {
	return cloudapi.Bindings{BindingsDB: k.changes.DB, BindingsChanges: k.changes, BindingsPages: k.pages,
		BindingsQuotas: k.quotas, Grants: k.decider, Kind: kind, Prefix: prefix}
}

// Rules is every row of the corridor: what is built, and what is answered
// UNIMPLEMENTED.
func Rules() []gate.Rule {
	all := slices.Clone(publish.Rules)
	for _, a := range areas() {
		all = append(all, a.rules...)
	}
	return all
}

// buildAPI makes the handlers, the gate in front of them, and hands both doors
// to the listeners.
func (s *Server) buildAPI(ctx context.Context) error {
	pageKey, err := s.pageKey(ctx)
	if err != nil {
		return err
	}
	d := decider{checker: s.checker, roles: s.roles, replica: s.replica, db: s.db}
	k := kit{decider: d, pages: cloudapi.Pages{Key: pageKey}, quotas: s.quotas(), changes: cloudapi.Changes{
		DB: s.db, Record: func(tx *store.Tx, c *gate.Call) error { return audit.Insert(tx, gate.EventOf(c, nil)) }}}
	registrar := &gate.Registrar{}
	publish.Register(registrar)
	for _, a := range areas() {
		a.register(s, k, registrar)
	}
	prover, err := s.prover(k)
	if err != nil {
		return err
	}
	stats := gate.NewStats()
	s.metrics.MustRegister(stats)
	s.gate, err = gate.New(gate.Config{
		Rules: Rules(), Services: registrar, Prover: prover, Access: d,
		Lookups: map[string]gate.Lookup{iamapi.KeyLookup: s.accountOfKey, iamapi.APIKeyLookup: s.accountOfAPIKey, iamapi.AccessKeyLookup: s.accountOfAccessKey, quotaapi.RequestLookup: s.resourceOfQuotaRequest,
			organization.ContainerLookup: s.organizationOfContainer,
			iamapi.OAuthClientLookup:     s.folderOfOAuthClient, iamapi.OAuthClientSecretLookup: s.folderOfOAuthClientSecret},
		Granted:  s.checker.Catalogue().Has,
		Recorder: s.recorder(), Replay: cloudapi.Changes{DB: s.db}.Replay, Stats: stats, Log: s.log, Now: s.now,
	})
	if err != nil {
		return err
	}
	s.grpc = NewGRPCServer(&s.cfg, s.gate.Options()...)
	s.gate.Attach(Registrar(s.grpc))
	healthpb.RegisterHealthServer(Registrar(s.grpc), health.NewServer())
	if s.accessDoor != nil {
		s.accessGRPC = NewGRPCServer(&s.cfg, append(s.gate.Options(), s.accessDoor.options...)...)
		s.gate.AttachServices(Registrar(s.accessGRPC))
	}
	return s.buildPages(pageKey)
}

// prover says how each place of a credential is proved.
func (s *Server) prover(k kit) (gate.Prover, error) {
	header := proveHeader(&credential.IAMToken{Verifier: s.revoked, Accounts: s.replica, Now: s.now})
	p := gate.Prover{Header: header, Service: s.proveService(header, k.decider), Body: map[string]bodyProof{}}
	for _, a := range areas() {
		if a.proofs == nil {
			continue
		}
		proofs, err := a.proofs(s, k)
		if err != nil {
			return p, err
		}
		maps.Copy(p.Body, proofs)
	}
	return p, nil
}

func (s *Server) accountOfKey(ctx context.Context, id string) (string, error) {
	k, err := s.replica.Key(ctx, id)
	if err != nil {
		return "", err
	}
	return k.ServiceAccountID, nil
}

func (s *Server) accountOfAPIKey(ctx context.Context, id string) (string, error) {
	k, err := s.replica.APIKey(ctx, id)
	if err != nil {
		return "", err
	}
	return k.ServiceAccountID, nil
}

var listOperations = map[resource.Kind]iam.Permission{
	resource.Organization:   "organization-manager.organizations.listOperations",
	resource.Group:          "organization-manager.groups.listOperations",
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
	if account, err := s.accountOfAPIKey(ctx, id); err == nil {
		return "iam.apiKeys.listOperations", account
	}
	if account, err := s.accountOfAccessKey(ctx, id); err == nil {
		return "iam.accessKeys.listOperations", account
	}
	path, err := s.replica.Ancestors(ctx, id)
	if err != nil || len(path) == 0 {
		if at, err := s.resourceOfQuotaRequest(ctx, id); err == nil {
			return "quota-manager.quotaRequests.listOperations", at
		}
		return "", ""
	}
	if _, ours := resource.ParentKind(path[0].Kind); !ours {
		return "propusk.resources.listOperations", id // a registered resource of another service
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
func (s *Server) buildPages(pageKey []byte) error {
	api, err := rest.New(s.gate, s.log)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	(&publish.Door{Gate: s.gate, Documents: s.revoked, OpenID: openID{s}, Stopping: s.doors.Stopping()}).Mount(mux)
	tokens := &sts.Door{Gate: s.gate, Log: s.log}
	images := &registry.Door{Gate: s.gate, Keys: registryDocuments{s}, Log: s.log}
	programs := &oauth.Door{Config: oauth.Config{Gate: s.gate, Issuer: s.issuer, Log: s.log}}
	clusters := &kubernetes.Door{Gate: s.gate, Log: s.log}
	people, err := s.newWebDoor(pageKey)
	if err != nil {
		return err
	}
	s.pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sts.Takes(r) {
			tokens.ServeHTTP(w, r)
			return
		}
		if oauth.Takes(r) {
			programs.ServeHTTP(w, r)
			return
		}
		if kubernetes.Takes(r) {
			clusters.ServeHTTP(w, r)
			return
		}
		if registry.Takes(r) {
			images.ServeHTTP(w, r)
			return
		}
		if web.Takes(r) {
			people.ServeHTTP(w, r)
			return
		}
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
