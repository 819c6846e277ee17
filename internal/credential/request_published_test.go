package credential_test

import (
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
)

// documented are the requests that AWS's documentation shows whole: of IAM, of
// S3 with version 4, and of S3 with version 2, with what it says they sign as.
var documented = []struct {
	name, at, method, target, headers, body, bucket string
}{
	{"IAM: ListUsers", "20150830T123600Z", "GET", "/?Action=ListUsers&Version=2010-05-08", `Content-Type: application/x-www-form-urlencoded; charset=utf-8
Host: iam.amazonaws.com
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7`, "", ""},
	{"S3: get an object", "20130524T000000Z", "GET", "/test.txt", `Host: examplebucket.s3.amazonaws.com
Range: bytes=0-9
x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date: 20130524T000000Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41`, "", ""},
	{"S3: put an object", "20130524T000000Z", "PUT", "/test$file.text", `Host: examplebucket.s3.amazonaws.com
Date: Fri, 24 May 2013 00:00:00 GMT
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd`, "Welcome to Amazon S3.", ""},
	{"S3: a bucket's lifecycle", "20130524T000000Z", "GET", "/?lifecycle", `Host: examplebucket.s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543`, "", ""},
	{"S3: a list", "20130524T000000Z", "GET", "/?max-keys=2&prefix=J", `Host: examplebucket.s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7`, "", ""},
	{"S3: presigned", "20130524T235959Z", "GET", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
		"Host: examplebucket.s3.amazonaws.com", "", ""},
	{"version 2: get", "20070327T193642Z", "GET", "/photos/puppy.jpg", `Host: johnsmith.s3.amazonaws.com
Date: Tue, 27 Mar 2007 19:36:42 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:bWq2s1WEIj+Ydj0vQ697zp+IXMU=`, "", "johnsmith"},
	{"version 2: put", "20070327T211545Z", "PUT", "/photos/puppy.jpg", `Content-Type: image/jpeg
Content-Length: 94328
Host: johnsmith.s3.amazonaws.com
Date: Tue, 27 Mar 2007 21:15:45 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:MyyxeRY7whkBe+bq8fHCL/2kKUg=`, "", "johnsmith"},
	{"version 2: list", "20070327T194241Z", "GET", "/?prefix=photos&max-keys=50&marker=puppy", `User-Agent: Mozilla/5.0
Host: johnsmith.s3.amazonaws.com
Date: Tue, 27 Mar 2007 19:42:41 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:htDYFYduRNen8P9ZfE/s9SuKy0U=`, "", "johnsmith"},
	{"version 2: part of a bucket", "20070327T194446Z", "GET", "/?acl", `Host: johnsmith.s3.amazonaws.com
Date: Tue, 27 Mar 2007 19:44:46 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:c2WLPFtWHVgbEmeEG93a4cG37dM=`, "", "johnsmith"},
	{"version 2: upload", "20070327T210608Z", "PUT", "/db-backup.dat.gz", `User-Agent: curl/7.15.5
Host: static.johnsmith.net:8080
Date: Tue, 27 Mar 2007 21:06:08 +0000
x-amz-acl: public-read
content-type: application/x-download
Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==
X-Amz-Meta-ReviewedBy: joe@johnsmith.net
X-Amz-Meta-ReviewedBy: jane@johnsmith.net
X-Amz-Meta-FileChecksum: 0x02661779
X-Amz-Meta-ChecksumAlgorithm: crc32
Content-Disposition: attachment; filename=database.dat
Content-Encoding: gzip
Content-Length: 5913339
Authorization: AWS AKIAIOSFODNN7EXAMPLE:ilyl83RwaSoYIEdixDQcA4OnAnc=`, "", "static.johnsmith.net"},
	{"version 2: list of buckets", "20070328T012959Z", "GET", "/", `Host: s3.amazonaws.com
Date: Wed, 28 Mar 2007 01:29:59 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:qGdzdERIC03wnaRNKh6OqZehG9s=`, "", ""},
	{"version 2: letters", "20070328T014949Z", "GET", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", `Host: s3.amazonaws.com
Date: Wed, 28 Mar 2007 01:49:49 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:DNEZGsoieTZ92F3bUfSPQcbGmlM=`, "", ""},
	{"version 2: presigned", "20070329T033000Z", "GET", "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620",
		"Host: johnsmith.s3.amazonaws.com", "", "johnsmith"},
}

func TestDocumentedRequests(t *testing.T) {
	for _, c := range documented {
		now, err := time.Parse("20060102T150405Z", c.at)
		if err != nil {
			t.Fatal(err)
		}
		r := &credential.HTTPRequest{Method: c.method, Target: c.target, Header: headerLines(c.headers), Bucket: c.bucket, PayloadSHA256: hashOf(c.body)}
		if err := newAccessWorld().proveRequest(now, r); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		// Version 2 knows the bucket only from the asker.
		if r.Bucket += "x"; strings.HasPrefix(c.name, "version 2") {
			refusedSignature(t, c.name+", another bucket", newAccessWorld().proveRequest(now, r), "access_key_invalid", "")
		}
	}
}
