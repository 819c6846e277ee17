package accessservice

import (
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/sessionpolicy"
)

// Permissions that actions on buckets and objects need.
const (
	bucketsGet    iam.Permission = "storage.buckets.get"
	bucketsList   iam.Permission = "storage.buckets.list"
	bucketsCreate iam.Permission = "storage.buckets.create"
	bucketsUpdate iam.Permission = "storage.buckets.update"
	bucketsDelete iam.Permission = "storage.buckets.delete"
	whoHasAccess  iam.Permission = "storage.buckets.listAccessBindings"
	grantAccess   iam.Permission = "storage.buckets.updateAccessBindings"
	objectsGet    iam.Permission = "storage.objects.get"
	objectsList   iam.Permission = "storage.objects.list"
	objectsPut    iam.Permission = "storage.objects.put"
	objectsDelete iam.Permission = "storage.objects.delete"
)

// bucketKind is the type of the resources that actions are done to.
const bucketKind resource.Kind = "storage.bucket"

// level is what an action is done to.
type level int

const (
	allBuckets level = iota
	oneBucket
	oneObject
)

// s3Action is what an action needs.
type s3Action struct {
	permission iam.Permission
	on         level
}

// s3Actions are the actions, without "s3:", as AWS names them. What decides on
// access needs the right to decide on access, whatever it is attached to.
var s3Actions = actionsOf(map[s3Action]string{
	{bucketsList, allBuckets}:  "ListAllMyBuckets",
	{bucketsCreate, oneBucket}: "CreateBucket",
	{bucketsDelete, oneBucket}: "DeleteBucket",
	{objectsList, oneBucket}:   "ListBucket ListBucketVersions ListBucketMultipartUploads",
	{objectsList, oneObject}:   "ListMultipartUploadParts",
	{whoHasAccess, oneBucket}:  "GetBucketAcl GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock",
	{grantAccess, oneBucket}:   "PutBucketAcl PutBucketPolicy DeleteBucketPolicy PutBucketPublicAccessBlock PutBucketOwnershipControls",
	{grantAccess, oneObject}:   "PutObjectAcl PutObjectVersionAcl BypassGovernanceRetention",
	{objectsDelete, oneObject}: "DeleteObject DeleteObjectVersion",
	{bucketsUpdate, oneBucket}: "DeleteBucketWebsite " + ofBucket("Put"),
	{bucketsGet, oneBucket}:    "GetBucketLocation " + ofBucket("Get"),
	{objectsGet, oneObject}: "GetObject GetObjectVersion GetObjectAcl GetObjectVersionAcl GetObjectTagging GetObjectVersionTagging " +
		"GetObjectAttributes GetObjectVersionAttributes GetObjectRetention GetObjectLegalHold",
	{objectsPut, oneObject}: "PutObject PutObjectTagging PutObjectVersionTagging DeleteObjectTagging DeleteObjectVersionTagging " +
		"PutObjectRetention PutObjectLegalHold AbortMultipartUpload RestoreObject",
})

// ofBucket are the actions that read or write how a bucket is set up; AWS has
// them delete it with the action that writes.
func ofBucket(verb string) string {
	const things = "AccelerateConfiguration AnalyticsConfiguration BucketCORS BucketLogging BucketNotification BucketObjectLockConfiguration " +
		"BucketRequestPayment BucketTagging BucketVersioning BucketWebsite EncryptionConfiguration IntelligentTieringConfiguration " +
		"InventoryConfiguration LifecycleConfiguration MetricsConfiguration ReplicationConfiguration"
	names := strings.Fields(things)
	if verb == "Get" {
		names = append(names, "BucketOwnershipControls")
	}
	return verb + strings.Join(names, " "+verb)
}

func actionsOf(names map[s3Action]string) map[string]s3Action {
	all := map[string]s3Action{}
	for a, list := range names {
		for _, name := range strings.Fields(list) {
			all[name] = a
		}
	}
	return all
}

// readS3Action finds out what an action needs. A name has one spelling.
func readS3Action(action string) (s3Action, error) {
	name, _ := strings.CutPrefix(action, sessionpolicy.ActionPrefix)
	if a, ok := s3Actions[name]; ok {
		return a, nil
	}
	return s3Action{}, iam.InvalidField("action", "%s is not known here. Actions are named as AWS does, not requests: "+
		"HEAD of an object is s3:GetObject, HEAD and lists of a bucket are s3:ListBucket", action)
}

// readS3Resource splits a resource into bucket and key and sees that it is what
// the action is done to: a policy's pattern is of a bucket, or of its objects.
func readS3Resource(action, text string, on level) (bucket string, err error) {
	rest, ok := strings.CutPrefix(text, sessionpolicy.ResourcePrefix)
	bucket, key, slash := strings.Cut(rest, "/")
	switch {
	case on == allBuckets:
		ok = ok && rest == "*"
	case on == oneBucket:
		ok = ok && !slash
	default:
		ok = ok && key != ""
	}
	if ok && on != allBuckets {
		ok = bucket != "" && !strings.ContainsAny(bucket, "*?")
	}
	if !ok {
		return "", iam.InvalidField("resource", "%s is done to %s", action,
			[...]string{"all buckets: arn:aws:s3:::*", "a bucket: arn:aws:s3:::bucket", "an object: arn:aws:s3:::bucket/key"}[on])
	}
	return bucket, nil
}
