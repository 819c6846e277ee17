package rest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/saml"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/propusk/propusk/internal/rest"
)

func TestQuery(t *testing.T) {
	when := timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	cases := []struct {
		query string
		want  proto.Message
	}{
		{"", &iampb.ListKeysRequest{}},
		{"&&serviceAccountId=a&", &iampb.ListKeysRequest{ServiceAccountId: "a"}},
		{"service_account_id=%D0%B6+%26", &iampb.ListKeysRequest{ServiceAccountId: "ж &"}},
		{"pageSize=-5", &iampb.ListKeysRequest{PageSize: -5}},
		{"pageToken", &iampb.ListKeysRequest{}},
		{"scopes=a&scopes=b&scopes=", &iampb.CreateApiKeyRequest{Scopes: []string{"a", "b", ""}}},
		{"expiresAt=2026-01-02T03:04:05Z", &iampb.CreateApiKeyRequest{ExpiresAt: when}},
		{"cookieMaxAge=43200s&ssoBinding=POST&autoCreateAccountOnLogin=true", &saml.CreateFederationRequest{CookieMaxAge: durationpb.New(12 * time.Hour), SsoBinding: saml.BindingType_POST, AutoCreateAccountOnLogin: true}},
		{"ssoBinding=2", &saml.CreateFederationRequest{SsoBinding: 2}},
		{"securitySettings.encryptedAssertions=true", &saml.CreateFederationRequest{SecuritySettings: &saml.FederationSecuritySettings{EncryptedAssertions: true}}},
		{"updateMask=name,expiresAt", &iampb.UpdateServiceAccountRequest{UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name", "expires_at"}}}},
		{"resource.id=b1g&resource.type=x", &quotamanager.ListQuotaLimitsRequest{Resource: &quotamanager.Resource{Id: "b1g", Type: "x"}}},
		{"desired_limit=1.5", &quotamanager.CreateQuotaRequestRequest_DesiredQuotaLimit{DesiredLimit: 1.5}},
		{"value=AAE_", &wrapperspb.BytesValue{Value: []byte{0, 1, 63}}},
		{"value=7", &wrapperspb.UInt32Value{Value: 7}},
		{"value=18446744073709551615", &wrapperspb.UInt64Value{Value: 1<<64 - 1}},
		{"value=-7", &wrapperspb.Int32Value{Value: -7}},
		{"value=0.5", &wrapperspb.FloatValue{Value: 0.5}},
	}
	for _, c := range cases {
		got := c.want.ProtoReflect().New().Interface()
		if err := rest.DecodeQuery(got, c.query); err != nil {
			t.Errorf("%q: %v", c.query, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.query, diff)
		}
	}
}

func TestQueryRefused(t *testing.T) {
	cases := []struct {
		query string
		into  proto.Message
		want  string
	}{
		{"x=1", &iampb.ListKeysRequest{}, "x: unknown query parameter"},
		{"=1", &iampb.ListKeysRequest{}, ": unknown query parameter"},
		{"pageSize=9223372036854775808", &iampb.ListKeysRequest{}, "page_size: must be a whole number of 64 bits"},
		{"pageSize=1;2", &iampb.ListKeysRequest{}, "page_size: must be a whole number of 64 bits"},
		{"pageToken=%ff", &iampb.ListKeysRequest{}, "page_token: must be text (UTF-8 without NUL)"},
		{"ssoBinding=CARRIER_PIGEON", &saml.CreateFederationRequest{}, "sso_binding: must be one of BINDING_TYPE_UNSPECIFIED, POST, REDIRECT, ARTIFACT"},
		{"autoCreateAccountOnLogin=yes", &saml.CreateFederationRequest{}, "auto_create_account_on_login: must be true or false"},
		{"cookieMaxAge=12h", &saml.CreateFederationRequest{}, `cookie_max_age: must be a duration in seconds such as "3600s"`},
		{"cookieMaxAge.seconds=1", &saml.CreateFederationRequest{}, "cookieMaxAge.seconds: unknown query parameter"},
		{"securitySettings=x", &saml.CreateFederationRequest{}, "security_settings: is a message; name its fields with dots"},
		{"labels=x", &saml.CreateFederationRequest{}, "labels: unknown query parameter"},
		{"accessBindingDeltas.action=ADD", &accesspb.UpdateAccessBindingsRequest{}, "accessBindingDeltas.action: unknown query parameter"},
		{"accessBindingDeltas=x", &accesspb.UpdateAccessBindingsRequest{}, "access_binding_deltas: is a message; name its fields with dots"},
		{"jwt=a&yandexPassportOauthToken=b", &iampb.CreateIamTokenRequest{}, "yandex_passport_oauth_token: may not be given together with jwt"},
		{"jwt=a&jwt=b", &iampb.CreateIamTokenRequest{}, "jwt: is given twice"},
		{strings.Repeat("scopes=a&", 1001), &iampb.CreateApiKeyRequest{}, "There are more than 1000 query parameters"},
		{strings.Repeat("x", 100), &iampb.ListKeysRequest{}, strings.Repeat("x", 64) + "…: unknown query parameter"},
	}
	for _, c := range cases {
		err := rest.DecodeQuery(c.into, c.query)
		if err == nil || err.Error() != "INVALID_ARGUMENT: "+c.want {
			t.Errorf("%.60q: got %v, want %s", c.query, err, c.want)
		}
	}
}
