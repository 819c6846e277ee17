package cloudapi_test

import (
	"regexp"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/server"
)

var (
	past         = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	notFoundText = regexp.MustCompile(`^(Organization|Cloud|Folder|Service account|Key|API key|Access key|Operation|Endpoint|User account|Subject|Subject container|Service|Group|OAuth client|OAuth client secret|Quota request|Resource) [^ ]+ not found$`)
)

func jwtRequest(t *testing.T, w *world) *iampb.CreateIamTokenRequest {
	return &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: w.jwt(t, w.Key)}}
}

func TestWhatIsNotBuiltSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range server.Rules() {
		if !r.Missing {
			continue
		}
		for _, c := range []*caller{w.owner, w.withToken(t, "")} {
			c.refuse(t, r.Method, newMessage(t, descriptorOf(t, r.Method).Input()), codes.Unimplemented, "not supported by this server")
		}
	}
	for _, m := range []string{"/yandex.cloud.iam.v1.KeyService/Guess", "/yandex.cloud.compute.v1.InstanceService/Get",
		"/yandex.cloud.priv.devtools.ycvc.v1.VersionControlService/Init", "/a/b"} {
		a := w.owner.do(t, m, &emptypb.Empty{}, proto.Message(&emptypb.Empty{}))
		if a.code != codes.Unimplemented {
			t.Errorf("%s: %v %s, want UNIMPLEMENTED", m, a.code, a.message)
		}
	}
}
