package accessservice_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/propusktest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const (
	readOurs    = `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::bucket-of-ours/*"}}`
	readNothing = `{"Statement":[]}`
	storageHost = "storage.example.com"
)

// Every kind of key proves itself in both forms and both versions, and the
// answer tells whose it is.
func TestS3Proofs(t *testing.T) {
	w := newWorld(t)
	static := w.accessKey(t, w.ServiceAccountID).s3()
	now := time.Now()
	for name, k := range map[string]s3Key{
		"static": static, "of STS": w.assume(t, static, ""), "of STS with a policy": w.assume(t, static, readOurs),
		"ephemeral": w.ephemeral(t, w.token, ""), "ephemeral with a policy": w.ephemeral(t, w.token, readOurs),
	} {
		want := &propuskpb.S3AuthorizeResponse{Allowed: true, SubjectId: w.ServiceAccountID, SubjectType: "serviceAccount",
			FolderId: w.FolderID, OrganizationId: w.OrganizationID}
		if k.token != "" {
			want.SessionName = "a.session"
		}
		for form, proof := range map[string]any{
			"a request":              k.request(now, "GET", "/bucket-of-ours/a", storageHost, "s3", ""),
			"a request of version 2": k.requestV2(now, "/bucket-of-ours/a", storageHost),
			"a text":                 k.text(now, "s3"),
			"a text of version 2":    k.textV2(now),
		} {
			out, err := w.askS3(t, w.get(proof))
			if err != nil {
				t.Errorf("%s, %s: %v", name, form, err)
				continue
			}
			if ends := out.GetExpiresAt(); (ends == nil) != (k.token == "") || ends != nil && !ends.AsTime().After(now) {
				t.Errorf("%s, %s: ends at %v", name, form, ends)
			}
			out.ExpiresAt = nil
			if diff := cmp.Diff(want, out, protocmp.Transform()); diff != "" {
				t.Errorf("%s, %s: %s", name, form, diff)
			}
		}
	}
}

// A bucket that the host names is covered by a signature of version 2.
func TestS3BucketInHost(t *testing.T) {
	w := newWorld(t)
	k := w.accessKey(t, w.ServiceAccountID).s3()
	whole := k.requestV2(time.Now(), "/bucket-of-ours/a", w.bucket+"."+storageHost) // what is signed
	whole.Target = "/a"                                                             // what is sent
	w.refusedS3(t, "without a word of the host", whole, "SignatureDoesNotMatch")
	r := w.get(whole)
	r.BucketInHost = true
	if out, err := w.askS3(t, r); err != nil || !out.GetAllowed() {
		t.Errorf("%v, %v", out, err)
	}
}

func TestS3BadProofs(t *testing.T) {
	w := newWorld(t)
	row := w.accessKey(t, w.ServiceAccountID)
	static, other := row.s3(), w.accessKey(t, w.ServiceAccountID).s3()
	child, brother, ephemeral := w.assume(t, static, ""), w.assume(t, static, ""), w.ephemeral(t, w.token, "")
	now := time.Now()
	for name, c := range map[string]struct {
		k    s3Key
		code string
	}{
		"another secret":                        {s3Key{static.id, other.secret, ""}, "SignatureDoesNotMatch"},
		"an unknown key":                        {s3Key{"YC" + strings.Repeat("0", 23), static.secret, ""}, "SignatureDoesNotMatch"},
		"a secret as the id":                    {s3Key{static.secret, static.secret, ""}, "InvalidAccessKeyId"},
		"a temporary key without its token":     {s3Key{child.id, child.secret, ""}, "SignatureDoesNotMatch"},
		"a temporary key with another's token":  {s3Key{child.id, child.secret, brother.token}, "SignatureDoesNotMatch"},
		"a static key with a token":             {s3Key{static.id, static.secret, child.token}, "SignatureDoesNotMatch"},
		"a temporary key of another static one": {s3Key{other.id, child.secret, child.token}, "SignatureDoesNotMatch"},
		"an ephemeral key without its token":    {s3Key{ephemeral.id, ephemeral.secret, ""}, "SignatureDoesNotMatch"},
		"an IAM token for a session token":      {s3Key{child.id, child.secret, w.token}, "InvalidAccessKeyId"},
		"a token that was cut":                  {s3Key{child.id, child.secret, child.token[:len(child.token)-1]}, "SignatureDoesNotMatch"},
	} {
		w.refusedS3(t, name+", a request", c.k.request(now, "GET", "/bucket-of-ours/a", storageHost, "s3", ""), c.code)
		w.refusedS3(t, name+", a text", c.k.text(now, "s3"), c.code)
	}
	request := func(change func(*propuskpb.SignedRequest)) *propuskpb.SignedRequest {
		r := static.request(now, "GET", "/bucket-of-ours/a", storageHost, "s3", "")
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		proof any
		code  string
	}{
		"for another service":        {static.request(now, "GET", "/bucket-of-ours/a", storageHost, "sts", ""), "AuthorizationHeaderMalformed"},
		"a text for another service": {static.text(now, "sqs"), "AuthorizationHeaderMalformed"},
		"old":                        {static.request(now.Add(-time.Hour), "GET", "/bucket-of-ours/a", storageHost, "s3", ""), "RequestTimeTooSkewed"},
		"an old text":                {static.text(now.Add(-time.Hour), "s3"), "RequestTimeTooSkewed"},
		"ahead":                      {static.request(now.Add(time.Hour), "GET", "/bucket-of-ours/a", storageHost, "s3", ""), "RequestTimeTooSkewed"},
		"another path":               {request(func(r *propuskpb.SignedRequest) { r.Target = "/bucket-of-ours/b" }), "SignatureDoesNotMatch"},
		"another method":             {request(func(r *propuskpb.SignedRequest) { r.Method = "PUT" }), "SignatureDoesNotMatch"},
		"a query":                    {request(func(r *propuskpb.SignedRequest) { r.Target += "?acl" }), "SignatureDoesNotMatch"},
		"another host":               {request(func(r *propuskpb.SignedRequest) { r.Headers[0].Value = "evil.example.com" }), "SignatureDoesNotMatch"},
		"another body": {request(func(r *propuskpb.SignedRequest) { r.PayloadSha256 = strings.Repeat("0", 64) }),
			"XAmzContentSHA256Mismatch"},
		"not signed": {request(func(r *propuskpb.SignedRequest) { r.Headers = r.Headers[:3] }), "AccessDenied"},
		"twice":      {request(func(r *propuskpb.SignedRequest) { r.Headers = append(r.Headers, r.Headers[3]) }), "InvalidArgument"},
	} {
		w.refusedS3(t, name, c.proof, c.code)
	}

	// With the static key's deletion its children end, with nobody else.
	if r := w.Do(t, "DELETE", w.adminToken, "/iam/aws-compatibility/v1/accessKeys/"+row.id, nil); r.Code != 200 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	w.refusedS3(t, "a deleted key", static.text(now, "s3"), "SignatureDoesNotMatch")
	w.refusedS3(t, "a deleted key's child", child.text(now, "s3"), "InvalidToken")
	for name, k := range map[string]s3Key{"another static key": other, "an ephemeral key": ephemeral} {
		if out, err := w.askS3(t, w.get(k.text(now, "s3"))); err != nil || !out.GetAllowed() {
			t.Errorf("%s: %v, %v", name, out, err)
		}
	}
}

// A temporary key ends by itself, and its holder is told to get another.
func TestS3KeyExpires(t *testing.T) {
	var late atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	w := newWorld(t, propusktest.WithClock(clock))
	k := w.assume(t, w.accessKey(t, w.ServiceAccountID).s3(), "")
	late.Store(int64(59 * time.Minute))
	if out, err := w.askS3(t, w.get(k.text(clock(), "s3"))); err != nil || !out.GetAllowed() {
		t.Errorf("before its end: %v, %v", out, err)
	}
	late.Store(int64(time.Hour + time.Second))
	w.refusedS3(t, "after its end", k.text(clock(), "s3"), "ExpiredToken")
	w.refusedS3(t, "after its end, badly signed", s3Key{k.id, "x", k.token}.text(clock(), "s3"), "SignatureDoesNotMatch")
}

// Both the policy and the roles must allow.
func TestS3PolicyAndRoles(t *testing.T) {
	w := newWorld(t)
	const reader = "ajereader00000000000"
	w.account(t, reader)
	w.bind(t, w.bucket, "storage.viewer", iam.Subject{ID: reader, Type: iam.TypeServiceAccount})
	static := w.accessKey(t, reader).s3()
	whole := map[string]s3Key{
		"static": static, "reads": w.assume(t, static, readOurs), "nothing": w.assume(t, static, readNothing),
		"all": w.assume(t, static, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`),
		"careful": w.assume(t, static, `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
			{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket-of-ours/secret/*"}]}`),
	}
	const roles = "Permission to [storage.bucket bucket-of-ours] denied"
	for _, c := range []struct{ key, action, resource, reason string }{
		{"static", "s3:GetObject", "/a", ""},
		{"static", "s3:PutObject", "/a", roles},
		{"static", "s3:ListBucket", "", ""},
		{"static", "s3:DeleteBucket", "", roles},
		{"static", "s3:PutBucketPolicy", "", roles},
		{"all", "s3:GetObject", "/a", ""},
		{"all", "s3:PutObject", "/a", roles},
		{"reads", "s3:GetObject", "/a/b", ""},
		{"reads", "s3:GetObjectTagging", "/a", ""},
		{"reads", "s3:PutObject", "/a", "The key's session policy does not allow s3:PutObject on arn:aws:s3:::bucket-of-ours/a"},
		{"reads", "s3:ListBucket", "", "The key's session policy does not allow s3:ListBucket on arn:aws:s3:::bucket-of-ours"},
		{"nothing", "s3:GetObject", "/a", "The key's session policy does not allow s3:GetObject on arn:aws:s3:::bucket-of-ours/a"},
		{"careful", "s3:GetObject", "/public/a", ""},
		{"careful", "s3:GetObject", "/secret/a", "Statement 2 of the key's session policy denies s3:GetObject on arn:aws:s3:::bucket-of-ours/secret/a"},
		{"careful", "s3:PutObject", "/public/a", roles},
	} {
		r := w.get(whole[c.key].text(time.Now(), "s3"))
		r.Action, r.Resource = c.action, "arn:aws:s3:::bucket-of-ours"+c.resource
		out, err := w.askS3(t, r)
		if err != nil || out.GetAllowed() != (c.reason == "") || out.GetReason() != c.reason || out.GetSubjectId() != reader {
			t.Errorf("%s, %s on %s: %v, %v, want %q", c.key, c.action, c.resource, out, err, c.reason)
		}
	}
}

// What the caller may not learn of looks like what there is not; nothing is
// bound to what only the caller knows.
func TestS3Places(t *testing.T) {
	w := newWorld(t)
	k := w.accessKey(t, w.ServiceAccountID).s3()
	for _, c := range []struct {
		what, action, bucket string
		path                 []string
		allowed              bool
	}{
		{"a registered bucket", "s3:GetObject", w.bucket, []string{"storage.bucket", w.bucket}, true},
		{"and its folder", "s3:GetObject", w.bucket, []string{"storage.bucket", w.bucket, folder, w.FolderID}, true},
		{"a bucket on our word", "s3:GetObject", "not-registered", []string{"storage.bucket", "not-registered", folder, w.FolderID}, true},
		{"a bucket of nobody", "s3:GetObject", "not-registered", []string{"storage.bucket", "not-registered"}, false},
		{"another folder", "s3:GetObject", "not-registered", []string{"storage.bucket", "not-registered", folder, w.otherFolder}, false},
		{"a folder alone", "s3:CreateBucket", "fresh-bucket", []string{folder, w.FolderID}, true},
		{"all buckets of a folder", "s3:ListAllMyBuckets", "*", []string{folder, w.FolderID}, true},
		{"all buckets of another", "s3:ListAllMyBuckets", "*", []string{folder, w.otherFolder}, false},
	} {
		r := w.get(k.text(time.Now(), "s3"))
		r.Action, r.ResourcePath, r.Resource = c.action, refs(c.path...), "arn:aws:s3:::"+c.bucket
		if c.action == "s3:GetObject" {
			r.Resource += "/a"
		}
		out, err := w.askS3(t, r)
		want := ""
		if !c.allowed {
			want = "Permission to [" + text(c.path...) + "] denied"
		}
		if err != nil || out.GetAllowed() != c.allowed || out.GetReason() != want {
			t.Errorf("%s: %v, %v, want %q", c.what, out, err, want)
		}
	}
}

func TestS3BadQuestions(t *testing.T) {
	w := newWorld(t)
	good := w.get(w.accessKey(t, w.ServiceAccountID).s3().text(time.Now(), "s3"))
	const b = "arn:aws:s3:::bucket-of-ours"
	for what, c := range map[string]struct {
		change func(*propuskpb.S3AuthorizeRequest)
		text   string
	}{
		"no proof":            {func(r *propuskpb.S3AuthorizeRequest) { r.Proof = nil }, "proof"},
		"no action":           {func(r *propuskpb.S3AuthorizeRequest) { r.Action = "" }, "action"},
		"another service's":   {func(r *propuskpb.S3AuthorizeRequest) { r.Action = "sqs:SendMessage" }, "action"},
		"a pattern":           {func(r *propuskpb.S3AuthorizeRequest) { r.Action = "s3:*" }, "action"},
		"a request's name":    {func(r *propuskpb.S3AuthorizeRequest) { r.Action = "s3:HeadObject" }, "action: s3:HeadObject is not known here. "},
		"another spelling":    {func(r *propuskpb.S3AuthorizeRequest) { r.Action = "s3:getobject" }, "action: s3:getobject is not known here. "},
		"no resource":         {func(r *propuskpb.S3AuthorizeRequest) { r.Resource = "" }, "resource"},
		"a bucket's object":   {func(r *propuskpb.S3AuthorizeRequest) { r.Resource = b }, "resource: s3:GetObject is done to an object: arn:aws:s3:::bucket/key"},
		"an empty key":        {func(r *propuskpb.S3AuthorizeRequest) { r.Resource = b + "/" }, "resource: s3:GetObject is done to an object"},
		"an object's listing": {func(r *propuskpb.S3AuthorizeRequest) { r.Action, r.Resource = "s3:ListBucket", b+"/a" }, "resource: s3:ListBucket is done to a bucket: arn:aws:s3:::bucket"},
		"all of one":          {func(r *propuskpb.S3AuthorizeRequest) { r.Action, r.Resource = "s3:ListAllMyBuckets", b }, "resource: s3:ListAllMyBuckets is done to all buckets: arn:aws:s3:::*"},
		"any bucket":          {func(r *propuskpb.S3AuthorizeRequest) { r.Resource = "arn:aws:s3:::*/a" }, "resource: s3:GetObject is done to an object"},
		"no name":             {func(r *propuskpb.S3AuthorizeRequest) { r.Resource = "bucket-of-ours/a" }, "resource: s3:GetObject is done to an object"},
		"no path":             {func(r *propuskpb.S3AuthorizeRequest) { r.ResourcePath = nil }, "resource_path"},
		"another bucket":      {func(r *propuskpb.S3AuthorizeRequest) { r.Resource = "arn:aws:s3:::theirs/a" }, "resource_path[0]: storage.bucket bucket-of-ours is not the bucket of arn:aws:s3:::theirs/a"},
		"another bucket above": {func(r *propuskpb.S3AuthorizeRequest) {
			r.ResourcePath = refs(folder, w.FolderID, "storage.bucket", "x")
		}, "resource_path[1]: storage.bucket x is not the bucket of"},
		"a folder that lies": {func(r *propuskpb.S3AuthorizeRequest) {
			r.ResourcePath = append(r.ResourcePath, refs(folder, w.otherFolder)...)
		}, "resource_path[1]: "},
		"no time": {func(r *propuskpb.S3AuthorizeRequest) { r.GetStringToSign().SignedAt = nil }, "string_to_sign.signed_at: is required with a signature of version 4"},
	} {
		r := proto.Clone(good).(*propuskpb.S3AuthorizeRequest)
		c.change(r)
		_, err := w.askS3(t, r)
		if s := status.Convert(err); s.Code() != codes.InvalidArgument || !strings.Contains(s.Message(), c.text) {
			t.Errorf("%s: %s %q, want %q", what, s.Code(), s.Message(), c.text)
		}
	}
}
