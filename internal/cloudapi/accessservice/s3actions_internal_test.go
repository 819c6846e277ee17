package accessservice

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
)

// Every action needs a permission that there is, and the roles of the storage
// may do what their descriptions say.
func TestS3ActionsAndRoles(t *testing.T) {
	c, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range s3Actions {
		if !c.Has(a.permission) {
			t.Errorf("s3:%s needs %s, which is in no role", name, a.permission)
		}
		on := oneBucket
		switch {
		case name == "ListAllMyBuckets":
			on = allBuckets
		case !strings.Contains(name, "Bucket") && (strings.Contains(name, "Object") || strings.Contains(name, "Multipart")), name == "BypassGovernanceRetention":
			on = oneObject
		}
		if a.on != on {
			t.Errorf("s3:%s is done to %d, want %d", name, a.on, on)
		}
	}
	for role, want := range map[iam.RoleID]struct{ may, mayNot string }{
		"storage.viewer":     {"GetObject ListBucket GetBucketLocation GetBucketPolicy ListAllMyBuckets", "PutObject DeleteObject CreateBucket PutBucketAcl PutBucketVersioning"},
		"storage.uploader":   {"GetObject PutObject ListBucket AbortMultipartUpload", "DeleteObject DeleteObjectVersion PutObjectAcl CreateBucket"},
		"storage.configurer": {"PutBucketVersioning PutLifecycleConfiguration GetBucketCORS", "GetObject PutObject ListBucket PutBucketPolicy"},
		"storage.editor":     {"PutObject DeleteObject CreateBucket DeleteBucket", "PutBucketPolicy DeleteBucketPolicy PutBucketAcl PutObjectAcl PutBucketPublicAccessBlock BypassGovernanceRetention PutBucketOwnershipControls"},
		"storage.admin":      {"PutBucketPolicy PutObjectAcl PutBucketVersioning DeleteObject", ""},
		"compute.admin":      {"", "GetObject ListBucket ListAllMyBuckets"},
	} {
		for allowed, names := range map[bool]string{true: want.may, false: want.mayNot} {
			for name := range strings.FieldsSeq(names) {
				a, err := readS3Action("s3:" + name)
				if err != nil || c.Grants(role, a.permission) != allowed {
					t.Errorf("%s, s3:%s: %t, want %t (%v)", role, name, !allowed, allowed, err)
				}
			}
		}
	}
}

// A resource that is accepted names one bucket, and an object when the action
// is done to one: what is asked of roles and what is asked of policies agree.
func FuzzS3Resource(f *testing.F) {
	for _, seed := range []string{"arn:aws:s3:::b/k", "arn:aws:s3:::b", "arn:aws:s3:::*", "arn:aws:s3:::b//", "arn:aws:s3:::/k", "arn:aws:s3::1:b", "b/k", "arn:aws:s3:::b?/k"} {
		for name := range map[string]bool{"GetObject": true, "ListBucket": true, "ListAllMyBuckets": true} {
			f.Add("s3:"+name, seed)
		}
	}
	f.Fuzz(func(t *testing.T, action, resource string) {
		if !utf8.ValidString(action) || !utf8.ValidString(resource) {
			return // protobuf refuses these
		}
		a, err := readS3Action(action)
		if err != nil {
			return
		}
		bucket, err := readS3Resource(action, resource, a.on)
		if err != nil {
			if iam.KindOf(err) != iam.InvalidArgument {
				t.Errorf("%v", err)
			}
			return
		}
		rest, key := "arn:aws:s3:::"+bucket, ""
		if a.on == oneObject {
			key = strings.TrimPrefix(resource, rest+"/")
			rest += "/" + key
		}
		if rest != resource || a.on == oneObject && key == "" || a.on != allBuckets && strings.ContainsAny(bucket, "*?/") || bucket == "" {
			t.Errorf("%s on %q: bucket %q, key %q", action, resource, bucket, key)
		}
	})
}
