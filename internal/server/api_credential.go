package server

import (
	"context"
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	workloadpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload"
	oidcpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload/oidc"
	"google.golang.org/protobuf/proto"

	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/resource"
)

// credentialArea is service accounts, their credentials, and tokens.
var credentialArea = area{
	rules: slices.Concat(iamapi.TokenRules, iamapi.ServiceAccountRules, iamapi.KeyRules, iamapi.APIKeyRules, iamapi.AccessKeyRules, iamapi.RefreshTokenRules, gate.MissingRules(
		"yandex.cloud.iam.v1.workload.FederatedCredentialService", "yandex.cloud.iam.v1.workload.oidc.FederationService",
	)),
	register: func(s *Server, k kit, r *gate.Registrar) {
		iampb.RegisterIamTokenServiceServer(r, &iamapi.TokenService{
			Changes: k.changes, Minter: s.minter, Accounts: s.replica, Verify: s.revoked.Verify, Now: s.now})
		iampb.RegisterServiceAccountServiceServer(r, &iamapi.ServiceAccountService{
			Bindings: k.bindings(resource.ServiceAccount, resource.PrefixIAM), DB: s.db, Changes: k.changes, Pages: k.pages, Quotas: k.quotas, Now: s.now})
		iampb.RegisterKeyServiceServer(r, &iamapi.KeyService{DB: s.db, Changes: k.changes, Pages: k.pages, Quotas: k.quotas})
		iampb.RegisterApiKeyServiceServer(r, &iamapi.APIKeyService{
			DB: s.db, Changes: k.changes, Pages: k.pages, Quotas: k.quotas, Scopes: k.decider.scopes, Now: s.now})
		iampb.RegisterRefreshTokenServiceServer(r, &iamapi.RefreshTokenService{DB: s.db, Changes: k.changes, Pages: k.pages, Lookup: refreshLookup})
		awspb.RegisterAccessKeyServiceServer(r, &iamapi.AccessKeyService{
			DB: s.db, Changes: k.changes, Pages: k.pages, Quotas: k.quotas, Seal: s.box.Seal})
		workloadpb.RegisterFederatedCredentialServiceServer(r, workloadpb.UnimplementedFederatedCredentialServiceServer{})
		oidcpb.RegisterFederationServiceServer(r, oidcpb.UnimplementedFederationServiceServer{})
	},
	proofs: func(s *Server, _ kit) (map[string]bodyProof, error) {
		jwt, err := credential.NewJWTKey(credential.JWTKeyConfig{
			Reads: s.replica, Audiences: s.audiences(), Skew: s.cfg.ClockSkew, Now: s.now})
		if err != nil {
			return nil, err
		}
		s.created = s.proveExchange(jwt)
		return map[string]bodyProof{iampb.IamTokenService_Create_FullMethodName: s.created}, nil
	},
}

// proveExchange proves what is exchanged for an IAM token.
func (s *Server) proveExchange(jwt *credential.JWTKey) bodyProof {
	oauth := &credential.OAuthToken{Reads: s.replica, Now: s.now}
	return func(ctx context.Context, m proto.Message) (*credential.Identity, error) {
		r := m.(*iampb.CreateIamTokenRequest)
		if _, ok := r.GetIdentity().(*iampb.CreateIamTokenRequest_Jwt); !ok {
			id, err := oauth.Prove(ctx, r.GetYandexPassportOauthToken())
			if err == nil {
				s.used.note(usedOAuthToken, id.CredentialID, string(id.Subject.ID), s.now())
			}
			return id, err
		}
		id, err := jwt.Prove(ctx, r.GetJwt())
		if err == nil {
			s.used.note(usedAuthorizedKey, id.CredentialID, string(id.Subject.ID), s.now())
		}
		return id, err
	}
}
