package accessservice_test

import (
	"testing"
	"time"

	"github.com/propusk/propusk/propusktest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// The use of a static key for a storage shows on it and on its account, at the
// latest when the server has stopped; a refused use does not.
func TestS3LastUsed(t *testing.T) {
	data := propusktest.OnDisk(t.TempDir())
	w := newWorld(t, data)
	used, refused := w.accessKey(t, w.ServiceAccountID), w.accessKey(t, w.ServiceAccountID)
	if out, err := w.askS3(t, w.get(used.s3().text(time.Now(), "s3"))); err != nil || !out.GetAllowed() {
		t.Fatalf("%v, %v", out, err)
	}
	w.refusedS3(t, "a wrong secret", s3Key{refused.keyID, used.secret, ""}.text(time.Now(), "s3"), "SignatureDoesNotMatch")
	w.Stop(t)
	w.Server = propusktest.New(t, data)
	for path, want := range map[string]bool{"/iam/aws-compatibility/v1/accessKeys/" + used.id: true, "/iam/aws-compatibility/v1/accessKeys/" + refused.id: false,
		"/iam/v1/serviceAccounts/" + w.ServiceAccountID: true} {
		var out struct{ LastUsedAt, LastAuthenticatedAt string }
		w.Get(t, w.adminToken, path).Decode(t, &out)
		if at := out.LastUsedAt + out.LastAuthenticatedAt; (at != "") != want {
			t.Errorf("%s was used at %q", path, at)
		}
	}
}

// BenchmarkS3Authorize is a question from end to end over gRPC.
func BenchmarkS3Authorize(b *testing.B) {
	w := newWorld(b)
	static := w.accessKey(b, w.ServiceAccountID).s3()
	child := w.assume(b, static, readOurs)
	for name, r := range map[string]*propuskpb.S3AuthorizeRequest{
		"static, a text":           w.get(static.text(time.Now(), "s3")),
		"static, a request":        w.get(static.request(time.Now(), "GET", "/bucket-of-ours/a", storageHost, "s3", "")),
		"with a policy, a request": w.get(child.request(time.Now(), "GET", "/bucket-of-ours/a", storageHost, "s3", "")),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if out, err := w.askS3(b, r); err != nil || !out.GetAllowed() {
					b.Fatal(out, err)
				}
			}
		})
	}
}
