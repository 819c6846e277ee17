package cloudapi_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// everyCredential has one of each kind, live where this server makes it, by the
// name that errors have for the kind.
func (w leakWorld) everyCredential(t *testing.T) map[string]string {
	t.Helper()
	all := w.specimens(t)
	static := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: all["static key"].accountID})
	temporary := call(t, w.impersonate(t, w.owner, all["API key"].accountID), "ephemeral.CreateEphemeral",
		&awspb.CreateEphemeralAccessKeyRequest{SessionName: "n"}, new(awspb.CreateEphemeralAccessKeyResponse))
	w.secret(temporary.GetSessionToken())
	return map[string]string{
		"an IAM token":                    all["IAM token"].text,
		"an IAM cookie":                   "c1." + strings.Repeat("9euelZ", 40) + "." + strings.Repeat("x", 86),
		"a refresh token":                 "rt1." + strings.Repeat("9euelZ", 40) + "." + strings.Repeat("x", 86),
		"a session token":                 all["session token"].text,
		"an API key":                      all["API key"].text,
		"a JWT":                           w.jwt(t, w.Key),
		"an OAuth token":                  "y0_" + strings.Repeat("AgAAAABq", 7),
		"a static access key's secret":    static.GetSecret(),
		"a static access key's id":        static.GetAccessKey().GetKeyId(),
		"a temporary access key's secret": w.secret(temporary.GetSecret()),
		"an authorized key":               strings.ReplaceAll(all["authorized key"].text, "\n", " "), // a header has one line
		"an OAuth client's secret":        "yccs__" + strings.Repeat("0123456789abcdef", 4) + "_01234567",
	}
}

// place is where a credential can be put: who it asks, what belongs there (by
// the name of the kind, "" when nothing does) and what the refusal says is expected.
type place struct {
	name, belongs, expects string
	most                   int // characters that the wire takes there; 0: enough for all
	try                    func(t *testing.T, text string) []answer
}

func (w leakWorld) places(t *testing.T) []place {
	nobody := w.withToken(t, "")
	header := func(form func(text string) string) func(*testing.T, string) []answer {
		return func(t *testing.T, text string) []answer {
			get := &rmpb.GetCloudRequest{CloudId: w.home.CloudID}
			return []answer{nobody.do(t, "cloud.Get", get, new(rmpb.Cloud), "authorization", form(text)),
				nobody.doREST(t, "cloud.Get", get, new(rmpb.Cloud), "Authorization", form(text))}
		}
	}
	body := func(by *caller, method string, build func(text string) proto.Message) func(*testing.T, string) []answer {
		return func(t *testing.T, text string) []answer {
			into := newMessage(t, descriptorOf(t, fullMethod(method)).Output())
			return []answer{by.do(t, method, build(text), into), by.doREST(t, method, build(text), into)}
		}
	}
	conn, err := grpc.NewClient(w.Server.Server.AccessAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	access := func(build func(text string) *accesspb.AuthenticateRequest) func(*testing.T, string) []answer {
		return func(t *testing.T, text string) []answer {
			var all []answer
			for _, service := range []string{"yandex.cloud.priv.accessservice.v2", "yandex.cloud.priv.servicecontrol.v1"} { // the same bytes
				err := conn.Invoke(context.Background(), "/"+service+".AccessService/Authenticate", build(text), new(accesspb.AuthenticateResponse))
				s := status.Convert(err)
				all = append(all, answer{code: s.Code(), message: s.Message()})
			}
			return all
		}
	}
	storage := func(t *testing.T, text string) []answer {
		_, err := propuskpb.NewS3AuthServiceClient(conn).Authorize(t.Context(), &propuskpb.S3AuthorizeRequest{
			Proof: &propuskpb.S3AuthorizeRequest_StringToSign{StringToSign: &propuskpb.SignedString{
				AccessKeyId: "aje00000000000000000", StringToSign: "GET\n\n\n" + w.clock.now().UTC().Format(time.RFC1123Z) + "\n/b/k", Signature: "x", SessionToken: text, V2Method: "HMAC_SHA1"}},
			Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourcePath: []*propuskpb.ResourceRef{{Type: "resource-manager.folder", Id: w.home.FolderID}}})
		s := status.Convert(err)
		return []answer{{code: s.Code(), message: s.Message()}}
	}
	return []place{
		{"session_token of S3AuthService", "a session token", "a token that begins with s1. is expected", 0, storage},
		{"Bearer", "an IAM token", "an IAM token is expected as 'Bearer <token>'", 0, header(func(s string) string { return "Bearer " + s })},
		{"Api-Key", "", "an IAM token is expected as 'Bearer <token>'", 0, header(func(s string) string { return "Api-Key " + s })},
		{"nothing before it", "", "an IAM token is expected as 'Bearer <token>'", 0, header(func(s string) string { return s })},
		{"jwt", "a JWT", "a JWT signed with an authorized key is expected", 8000, body(nobody, "token.Create", func(s string) proto.Message {
			return &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: s}}
		})},
		{"yandex_passport_oauth_token", "an OAuth token", "a token that begins with y0_ is expected", 4000, body(nobody, "token.Create", func(s string) proto.Message {
			return &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: s}}
		})},
		{"iam_token of Revoke", "an IAM token", "not an IAM token, which begins with t1.", 4096, body(w.owner, "token.Revoke", func(s string) proto.Message {
			return &iampb.RevokeIamTokenRequest{IamToken: s}
		})},
		{"session_token of RevokeSession", "a session token", "not a session token, which begins with s1.", 0, body(w.owner, "revocation.RevokeSession", func(s string) proto.Message {
			return &propuskpb.RevokeSessionRequest{SessionToken: s}
		})},
		{"iam_token of AccessService", "an IAM token", "a token that begins with t1. is expected", 1024, access(func(s string) *accesspb.AuthenticateRequest {
			return &accesspb.AuthenticateRequest{Credentials: &accesspb.AuthenticateRequest_IamToken{IamToken: s}}
		})},
		{"api_key of AccessService", "an API key", "a key that begins with AQVN is expected", 0, access(func(s string) *accesspb.AuthenticateRequest {
			return &accesspb.AuthenticateRequest{Credentials: &accesspb.AuthenticateRequest_ApiKey{ApiKey: s}}
		})},
		{"access_key_id of AccessService", "a static access key's id", "the id of a static access key is expected", 50, access(func(s string) *accesspb.AuthenticateRequest {
			return &accesspb.AuthenticateRequest{Credentials: &accesspb.AuthenticateRequest_Signature{Signature: &accesspb.AccessKeySignature{
				AccessKeyId: s, StringToSign: "x", Signature: "x", Parameters: &accesspb.AccessKeySignature_V4Parameters{
					V4Parameters: &accesspb.AccessKeySignature_Version4Parameters{SignedAt: timestamppb.Now(), Service: "s3", Region: "r"}}}}}
		})},
	}
}

// TestEveryCredentialInEveryPlace: the error names what was given and what is
// expected. Nothing of it is in the answer, in the log or in the audit log.
func TestEveryCredentialInEveryPlace(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	given, places := w.everyCredential(t), w.places(t)
	for kind, text := range given {
		for _, p := range places {
			if p.belongs == kind {
				continue
			}
			for door, a := range p.try(t, text) {
				switch {
				case p.most > 0 && len(text) > p.most:
					if a.code != codes.InvalidArgument {
						t.Errorf("%s as %s (%d): %v %q, want the bound of its length", kind, p.name, door, a.code, a.message)
					}
				case a.code != codes.Unauthenticated && a.code != codes.InvalidArgument || !strings.Contains(a.message, kind) || !strings.Contains(a.message, p.expects):
					t.Errorf("%s as %s (%d): %v %q", kind, p.name, door, a.code, a.message)
				}
				if strings.Contains(a.message, text[:12]) {
					t.Errorf("%s as %s (%d): repeated: %q", kind, p.name, door, a.message)
				}
			}
		}
	}
	// A password in the clear is named, whatever it is.
	for kind, text := range given {
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("iam:"+text))
		w.withToken(t, "").refuse(t, "cloud.Get", &rmpb.GetCloudRequest{CloudId: w.home.CloudID}, codes.Unauthenticated,
			"holds Basic credentials: an IAM token is expected", "authorization", basic)
		if strings.Contains(w.log.String(), basic[20:40]) {
			t.Errorf("%s in Basic is in the log", kind)
		}
	}
	log := w.log.String()
	for kind, text := range given {
		if kind == "a static access key's id" { // no secret, and in the audit line of its making
			continue
		}
		rest := text[12:min(len(text), 52)] // behind the letters that tell the kind
		if strings.Contains(log, rest) {
			t.Errorf("the log shows %s", kind)
		}
		for _, l := range w.audit(t.Context(), t, server.AuditListRequest{}) {
			if kind != "an authorized key" && strings.Contains(l.raw, rest) {
				t.Errorf("an audit line shows %s: %s", kind, l.raw)
			}
		}
	}
}
