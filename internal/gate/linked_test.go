package gate_test

import (
	"strings"
	"testing"

	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/idp"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/saml"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/server"
)

// Every message of the packages that this server answers for has rules that can
// be understood, requests and responses alike: of the public API, of the
// contracts for services and of our own services, built and not built. One that
// cannot be understood would stop every server at its start, perhaps only when
// its service is built.
func TestEveryMessageCompiles(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	var walk func(protoreflect.MessageDescriptors)
	walk = func(mds protoreflect.MessageDescriptors) {
		for i := range mds.Len() {
			md := mds.Get(i)
			if err := gate.Understands(md); err != nil {
				t.Errorf("%s: %v", md.FullName(), err)
			}
			seen[md.FullName()] = true
			walk(md.Messages())
		}
	}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if p := string(f.Package()); strings.HasPrefix(p, "yandex.cloud.") || strings.HasPrefix(p, "propusk.") {
			walk(f.Messages())
		}
		return true
	})
	services := 0
	for _, r := range server.Rules() {
		service, method, ok := strings.Cut(strings.TrimPrefix(r.Method, "/"), "/")
		if !ok || !strings.HasPrefix(r.Method, "/") {
			continue // an endpoint that is no method of the API
		}
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			t.Errorf("%s: %v", r.Method, err)
			continue
		}
		services++
		md := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
		if !seen[md.Input().FullName()] && !strings.HasPrefix(string(md.Input().FullName()), "google.") {
			t.Errorf("%s takes %s, which was not looked at", r.Method, md.Input().FullName())
		}
	}
	if len(seen) < 400 || services < 100 {
		t.Errorf("only %d messages and %d methods were seen; are the packages linked in?", len(seen), services)
	}
}
