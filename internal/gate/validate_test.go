package gate

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload/oidc"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	orgpb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/idp"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/saml"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
)

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

func jwt(s string) *iampb.CreateIamTokenRequest {
	return &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: s}}
}

func deltas(n int, d *accesspb.AccessBindingDelta) (out []*accesspb.AccessBindingDelta) {
	for range n {
		out = append(out, d)
	}
	return out
}

var addViewer = &accesspb.AccessBindingDelta{
	Action: accesspb.AccessBindingAction_ADD,
	AccessBinding: &accesspb.AccessBinding{RoleId: "viewer",
		Subject: &accesspb.Subject{Id: "aje1", Type: "serviceAccount"}},
}

func manyLabels(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out["k"+strings.Repeat("a", i%50)+strings.Repeat("b", i/50)] = ""
	}
	return out
}

func createFederation(change func(*saml.CreateFederationRequest)) proto.Message {
	m := &saml.CreateFederationRequest{OrganizationId: "bpf1", Name: "f", Issuer: "i", SsoUrl: "u",
		SsoBinding: saml.BindingType_POST, CookieMaxAge: durationpb.New(36e12)}
	change(m)
	return m
}

func TestValidate(t *testing.T) {
	const long = "must be at most "
	cases := []struct {
		name string
		msg  proto.Message
		want []string // "field: description"
	}{
		{"required text", &iampb.GetKeyRequest{}, []string{"key_id: must be set"}},
		{"required text given", &iampb.GetKeyRequest{KeyId: "k"}, nil},
		{"length at the limit", &iampb.GetKeyRequest{KeyId: strings.Repeat("k", 50)}, nil},
		{"length above", &iampb.GetKeyRequest{KeyId: strings.Repeat("k", 51)}, []string{"key_id: " + long + "50 characters long"}},
		{"length counts characters", &iampb.GetKeyRequest{KeyId: strings.Repeat("ж", 50)}, nil},
		{"length of characters above", &iampb.GetKeyRequest{KeyId: strings.Repeat("ж", 51)}, []string{"key_id: " + long + "50 characters long"}},
		{"length less than", &saml.ListFederatedUserAccountsRequest{FederationId: "f", Filter: strings.Repeat("x", 1000)}, []string{"filter: must be less than 1000 characters long"}},
		{"length less than, at 999", &saml.ListFederatedUserAccountsRequest{FederationId: "f", Filter: strings.Repeat("x", 999)}, nil},
		{"length between, zero allowed", &idp.UserAttributeMapping{Type: 1, Target: 1}, nil},
		{"length between, in a list", &oidc.CreateFederationRequest{FolderId: "b", Name: "n", Issuer: "i", JwksUrl: "j", Audiences: []string{"a", ""}},
			[]string{"audiences[1]: must be between 1 and 255 characters long"}},
		{"invalid UTF-8", &iampb.GetKeyRequest{KeyId: "a\xff"}, []string{"key_id: must be valid UTF-8"}},
		{"NUL", &iampb.GetKeyRequest{KeyId: "a\x00"}, []string{"key_id: must not contain a NUL character"}},
		{"NUL in a field without rules", &iampb.GetRoleRequest{RoleId: "a\x00"}, []string{"role_id: must not contain a NUL character"}},

		{"pattern", &iampb.CreateServiceAccountRequest{FolderId: "b", Name: "robot-1"}, nil},
		{"pattern broken", &iampb.CreateServiceAccountRequest{FolderId: "b", Name: "Robot"}, []string{"name: must match the pattern [a-z]([-a-z0-9]{0,61}[a-z0-9])?"}},
		{"pattern holds for the whole text", &iampb.CreateServiceAccountRequest{FolderId: "b", Name: "robot\nx"}, []string{"name: must match the pattern [a-z]([-a-z0-9]{0,61}[a-z0-9])?"}},
		{"pattern not at a line's end", &iampb.CreateServiceAccountRequest{FolderId: "b", Name: "robot\n"}, []string{"name: must match the pattern [a-z]([-a-z0-9]{0,61}[a-z0-9])?"}},
		{"pattern with empty alternative", &rmpb.UpdateFolderRequest{FolderId: "b"}, nil},
		{"anchored pattern", &orgpb.CreateOsLoginProfileRequest{OrganizationId: "b", SubjectId: "s", Login: "-x", Uid: 1000}, []string{"login: must match the pattern ^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,31}$"}},
		{"pattern in a list", &iampb.UpdateOAuthClientRequest{OauthClientId: "o", UpdateMask: mask("scopes"), Scopes: []string{"a", "b c"}}, []string{`scopes[1]: must match the pattern [!#-\[\]-~]+`}},

		{"labels", &iampb.CreateServiceAccountRequest{FolderId: "b", Name: "n", Labels: map[string]string{"env": "test", "x": ""}}, nil},
		{"label keys and values", &iampb.CreateServiceAccountRequest{FolderId: "b", Name: "n", Labels: map[string]string{
			"": "v", "1": "v", "b": "UP", "c": strings.Repeat("v", 64), strings.Repeat("k", 64): "v"}},
			[]string{`labels[""]: must be between 1 and 63 characters long`, `labels["1"]: must match the pattern [a-z][-_0-9a-z]*`,
				`labels["b"]: must match the pattern [-_0-9a-z]*`, `labels["c"]: must be at most 63 characters long`,
				`labels["` + strings.Repeat("k", 64) + `"]: must be between 1 and 63 characters long`}},
		{"size of a map", &iampb.CreateServiceAccountRequest{FolderId: "b", Name: "n", Labels: manyLabels(65)}, []string{"labels: must have at most 64 elements"}},
		{"size of a map at the limit", &iampb.CreateServiceAccountRequest{FolderId: "b", Name: "n", Labels: manyLabels(64)}, nil},

		{"value between", &iampb.ListKeysRequest{PageSize: 1000}, nil},
		{"value above", &iampb.ListKeysRequest{PageSize: 1001}, []string{"page_size: must be between 0 and 1000"}},
		{"value below", &iampb.ListKeysRequest{PageSize: -1}, []string{"page_size: must be between 0 and 1000"}},
		{"value at most", &iampb.ListSubjectsRequest{PageSize: 1001}, []string{"resource_context: must be set", "page_size: must be at most 1000"}},
		{"absent number that is not required", &orgpb.CreateOsLoginProfileRequest{OrganizationId: "b", SubjectId: "s", Login: "x"}, nil},
		{"number below a large range", &orgpb.CreateOsLoginProfileRequest{OrganizationId: "b", SubjectId: "s", Login: "x", Uid: 999}, []string{"uid: must be between 1000 and 9223372036854775807"}},
		{"double", &quotamanager.CreateQuotaRequestRequest_DesiredQuotaLimit{QuotaId: "q", DesiredLimit: math.NaN()}, []string{"desired_limit: must be between 0 and 9223372036854775807"}},

		{"timestamp in range", &rmpb.DeleteFolderRequest{FolderId: "b", DeleteAfter: &timestamppb.Timestamp{Seconds: 1}}, nil},
		{"timestamp at the end", &rmpb.DeleteFolderRequest{FolderId: "b", DeleteAfter: &timestamppb.Timestamp{Seconds: 4291747199, Nanos: 999999999}}, nil},
		{"timestamp behind", &rmpb.DeleteFolderRequest{FolderId: "b", DeleteAfter: &timestamppb.Timestamp{Seconds: 4291747200}},
			[]string{"delete_after: must be between 19700101T000000.000000000 and 21051231T235959.999999999"}},
		{"timestamp before", &rmpb.DeleteFolderRequest{FolderId: "b", DeleteAfter: &timestamppb.Timestamp{Seconds: -1}},
			[]string{"delete_after: must be between 19700101T000000.000000000 and 21051231T235959.999999999"}},
		{"timestamp that is none", &rmpb.DeleteFolderRequest{FolderId: "b", DeleteAfter: &timestamppb.Timestamp{Nanos: -1}}, []string{"delete_after: must be a time in the years 1 to 9999"}},
		{"duration", createFederation(func(*saml.CreateFederationRequest) {}), nil},
		{"duration too short", createFederation(func(m *saml.CreateFederationRequest) { m.CookieMaxAge = durationpb.New(599e9) }), []string{"cookie_max_age: must be between 10m and 12h"}},
		{"duration too long", createFederation(func(m *saml.CreateFederationRequest) { m.CookieMaxAge = &durationpb.Duration{Seconds: 43200, Nanos: 1} }), []string{"cookie_max_age: must be between 10m and 12h"}},
		{"duration that is none", createFederation(func(m *saml.CreateFederationRequest) { m.CookieMaxAge = &durationpb.Duration{Seconds: 1, Nanos: -1} }), []string{"cookie_max_age: must be a duration of at most 10,000 years"}},
		{"duration absent", &awscompatibility.CreateEphemeralAccessKeyRequest{SubjectId: "s", SessionName: "n"}, nil},

		{"size of a list, too few", &accesspb.UpdateAccessBindingsRequest{ResourceId: "r"}, []string{"access_binding_deltas: must have between 1 and 1000 elements"}},
		{"size of a list", &accesspb.UpdateAccessBindingsRequest{ResourceId: "r", AccessBindingDeltas: deltas(1000, addViewer)}, nil},
		{"size of a list, too many", &accesspb.UpdateAccessBindingsRequest{ResourceId: "r", AccessBindingDeltas: deltas(1001, addViewer)}, []string{"access_binding_deltas: must have between 1 and 1000 elements"}},
		{"empty list where at most is meant", &accesspb.SetAccessBindingsRequest{ResourceId: "r"}, nil},
		{"nested", &accesspb.UpdateAccessBindingsRequest{ResourceId: "r", AccessBindingDeltas: []*accesspb.AccessBindingDelta{addViewer, {AccessBinding: &accesspb.AccessBinding{RoleId: strings.Repeat("r", 65)}}}},
			[]string{"access_binding_deltas[1].action: must be set", "access_binding_deltas[1].access_binding.role_id: " + long + "64 characters long", "access_binding_deltas[1].access_binding.subject: must be set"}},
		{"unknown value of an enum", &accesspb.AccessBindingDelta{Action: 7, AccessBinding: addViewer.AccessBinding}, []string{"action: AccessBindingAction has no value 7"}},
		{"unique", &iampb.CreateApiKeyRequest{Scopes: []string{"a", "b", "a"}}, []string{"scopes[2]: must not repeat another element"}},

		{"exactly one: none", &iampb.CreateIamTokenRequest{}, []string{"identity: One of the options must be selected"}},
		{"exactly one", jwt("x"), nil},
		{"length of a member of a oneof", jwt(strings.Repeat("x", 8001)), []string{"jwt: must be at most 8000 characters long"}},
		{"false is not required", &iampb.SuspendServiceAccountRequest{ServiceAccountId: "aje"}, nil},
		//lint:ignore SA1019 a field without rules is what the case needs
		{"no rules at all", &endpointpb.ListApiEndpointsRequest{PageSize: 5000}, nil},
		{"operation", &operationpb.GetOperationRequest{}, []string{"operation_id: must be set"}},

		{"mask leaves others alone", &iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", UpdateMask: mask("description"), Name: "BAD", Description: "d"}, nil},
		{"mask enforces what it names", &iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", UpdateMask: mask("name")}, []string{"name: must be set"}},
		{"mask does not spare the id", &iampb.UpdateServiceAccountRequest{UpdateMask: mask("description")}, []string{"service_account_id: must be set"}},
		{"empty mask is no mask", &iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", UpdateMask: mask()}, []string{"name: must be set"}},
		{"no mask", &iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", Name: "n"}, nil},
		{"unknown path", &iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", UpdateMask: mask("nmae", "name.x", "", "labels.a"), Name: "n"},
			[]string{`update_mask: path "nmae" names no field of the request`, `update_mask: path "name.x" goes below a field without fields`,
				`update_mask: path "" names no field of the request`, `update_mask: path "labels.a" goes below a field without fields`}},
		{"path of the id", &iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", UpdateMask: mask("service_account_id")}, []string{`update_mask: path "service_account_id" names a field that cannot be changed`}},
		{"path of the mask", &iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", UpdateMask: mask("update_mask")}, []string{`update_mask: path "update_mask" names no field of the request`}},
		{"too many paths", &iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", UpdateMask: mask(make([]string, 257)...)}, []string{"update_mask: must have at most 256 paths"}},
		{"part of a nested message", &idp.UpdateUserpoolRequest{UserpoolId: "u", UpdateMask: mask("bruteforce_protection_policy.attempts"),
			BruteforceProtectionPolicy: &idp.BruteforceProtectionPolicy{Attempts: 101, Window: durationpb.New(-1)}},
			[]string{"bruteforce_protection_policy.attempts: must be between 1 and 100"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v, err := compileValidator(c.msg.ProtoReflect().Descriptor())
			if err != nil {
				t.Fatal(err)
			}
			err = v.check(c.msg, "")
			if diff := cmp.Diff(c.want, lines(t, err)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func lines(t *testing.T, err error) (out []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind != iam.InvalidArgument {
		t.Fatalf("check gave %v, want an INVALID_ARGUMENT", err)
	}
	want := "Validation failed:"
	for _, f := range e.Fields {
		out = append(out, f.Field+": "+f.Description)
		want += "\n  - " + f.Field + ": " + f.Description
	}
	if e.Message != want {
		t.Errorf("message %q, want %q", e.Message, want)
	}
	return out
}

func TestViolationsAreBounded(t *testing.T) {
	v, err := compileValidator((&accesspb.UpdateAccessBindingsRequest{}).ProtoReflect().Descriptor())
	if err != nil {
		t.Fatal(err)
	}
	got := lines(t, v.check(&accesspb.UpdateAccessBindingsRequest{ResourceId: "r", AccessBindingDeltas: deltas(1000, &accesspb.AccessBindingDelta{})}, ""))
	if len(got) != maxViolations {
		t.Errorf("%d violations listed, want %d", len(got), maxViolations)
	}
}

func TestIdentityIsFixed(t *testing.T) {
	msg := &idp.UpdateSynchronizationSettingsRequest{SubjectContainerId: "s", UpdateMask: mask("replacement_domain")}
	v, err := compileValidator(msg.ProtoReflect().Descriptor())
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(t, v.check(msg, "")); got != nil {
		t.Errorf("without an identity: %q", got)
	}
	want := []string{`update_mask: path "replacement_domain" names a field that cannot be changed`}
	if diff := cmp.Diff(want, lines(t, v.check(msg, "replacement_domain"))); diff != "" {
		t.Errorf("with an identity (-want +got):\n%s", diff)
	}
}

func TestIntervals(t *testing.T) {
	cases := []struct {
		option  string
		in, out []int
	}{
		{"<=5", []int{0, 5}, []int{6}},
		{"<5", []int{4}, []int{5}},
		{">=5", []int{5}, []int{4}},
		{">5", []int{6}, []int{5}},
		{"3-5", []int{3, 4, 5}, []int{2, 6}},
		{"4", []int{4}, []int{3, 5}},
	}
	for _, c := range cases {
		i, err := parseCount(c.option)
		if err != nil {
			t.Errorf("%q: %v", c.option, err)
			continue
		}
		for _, n := range c.in {
			if !i.holds(n) {
				t.Errorf("%q does not hold %d", c.option, n)
			}
		}
		for _, n := range c.out {
			if i.holds(n) {
				t.Errorf("%q holds %d", c.option, n)
			}
		}
	}
	for _, bad := range []string{"5-3", "x", "<=", "1-", "-1", "1,2", "<=5-6", "99999999999"} {
		if _, err := parseCount(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if i, err := parseCount(""); i != nil || err != nil {
		t.Errorf("no option gave %v, %v", i, err)
	}
}

var countAllocations = true

func TestCheckAllocates(t *testing.T) {
	if !countAllocations {
		t.Skip("the race detector is on")
	}
	cases := []struct {
		msg  proto.Message
		want float64
	}{
		// protobuf's reflection copies the header of a text in a oneof.
		{jwt(strings.Repeat("x", 700)), 1},
		{&iampb.GetKeyRequest{KeyId: "ajeabc"}, 0},
		{&iampb.CreateServiceAccountRequest{FolderId: "b1g", Name: "robot"}, 0},
		{&iampb.UpdateServiceAccountRequest{ServiceAccountId: "aje", UpdateMask: mask("description"), Description: "d"}, 0},
	}
	for _, c := range cases {
		v, err := compileValidator(c.msg.ProtoReflect().Descriptor())
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = v.check(c.msg, "") }); n > c.want {
			t.Errorf("%s: %v allocations, want at most %v", c.msg.ProtoReflect().Descriptor().Name(), n, c.want)
		}
	}
}

func BenchmarkValidateCreateToken(b *testing.B) {
	msg := jwt(strings.Repeat("x", 700))
	v, err := compileValidator(msg.ProtoReflect().Descriptor())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := v.check(msg, ""); err != nil {
			b.Fatal(err)
		}
	}
}
