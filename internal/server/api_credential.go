package server

import (
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	workloadpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload"
	oidcpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload/oidc"

	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/resource"
)

// credentialArea is service accounts, their credentials, and tokens.
var credentialArea = area{
	rules: slices.Concat(iamapi.TokenRules, iamapi.ServiceAccountRules, iamapi.KeyRules, iamapi.APIKeyRules, iamapi.AccessKeyRules, gate.MissingRules(
		"yandex.cloud.iam.v1.OAuthClientSecretService",
		"yandex.cloud.iam.v1.OAuthClientService", "yandex.cloud.iam.v1.RefreshTokenService",
		"yandex.cloud.iam.v1.awscompatibility.TemporaryAccessKeyService",
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
		iampb.RegisterOAuthClientSecretServiceServer(r, iampb.UnimplementedOAuthClientSecretServiceServer{})
		iampb.RegisterOAuthClientServiceServer(r, iampb.UnimplementedOAuthClientServiceServer{})
		iampb.RegisterRefreshTokenServiceServer(r, iampb.UnimplementedRefreshTokenServiceServer{})
		awspb.RegisterAccessKeyServiceServer(r, &iamapi.AccessKeyService{
			DB: s.db, Changes: k.changes, Pages: k.pages, Quotas: k.quotas, Seal: s.box.Seal})
		awspb.RegisterTemporaryAccessKeyServiceServer(r, awspb.UnimplementedTemporaryAccessKeyServiceServer{})
		workloadpb.RegisterFederatedCredentialServiceServer(r, workloadpb.UnimplementedFederatedCredentialServiceServer{})
		oidcpb.RegisterFederationServiceServer(r, oidcpb.UnimplementedFederationServiceServer{})
	},
}
