package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// awkward is a key that must be escaped on the wire and in signatures.
const awkward = "shared/ключ + a=b&c*d?.txt"

func (v *visit) put(ctx context.Context, c *s3.Client, name string) error {
	_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &v.bucket, Key: &name, Body: strings.NewReader("content of " + name)})
	return err
}

func (v *visit) get(ctx context.Context, c *s3.Client, name string) error {
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &v.bucket, Key: &name})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	got, err := io.ReadAll(out.Body)
	if err == nil && string(got) != "content of "+name {
		err = fmt.Errorf("%s holds %q", name, got)
	}
	return err
}

func (v *visit) remove(ctx context.Context, c *s3.Client, name string) error {
	_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &v.bucket, Key: &name})
	return err
}

func (v *visit) list(ctx context.Context, c *s3.Client, prefix string) ([]string, error) {
	out, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &v.bucket, Prefix: &prefix})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, o := range out.Contents {
		names = append(names, *o.Key)
	}
	return names, nil
}

func (v *visit) static(ctx context.Context) error {
	c := v.s3(v.owner)
	return all(
		func() error { _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &v.bucket}); return err },
		func() error { _, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &v.bucket}); return err },
		func() error { return v.put(ctx, c, awkward) },
		func() error { return v.put(ctx, c, "private/a") },
		func() error { return v.put(ctx, c, "private/gone") },
		func() error { return v.get(ctx, c, awkward) },
		func() error { return v.remove(ctx, c, "private/gone") },
		func() error { return refused(v.get(ctx, c, "private/gone"), "NoSuchKey") },
		func() error {
			names, err := v.list(ctx, c, "private/")
			if err == nil && !slices.Equal(names, []string{"private/a"}) {
				err = fmt.Errorf("listed %q", names)
			}
			return err
		},
		func() error {
			out, err := c.ListBuckets(ctx, &s3.ListBucketsInput{})
			if err == nil && (len(out.Buckets) == 0 || *out.Buckets[len(out.Buckets)-1].Name != v.bucket) {
				err = fmt.Errorf("buckets are %v", out.Buckets)
			}
			return err
		},
	)
}

// pieces uploads as the SDK does over TLS: aws-chunked, with a checksum behind
// the body, of a body that can be read again and of one that cannot.
func (v *visit) pieces(ctx context.Context) error {
	c := v.s3TLS(v.owner)
	long := strings.Repeat("0123456789", 30000)
	name := "private/long"
	return all(
		func() error { return v.put(ctx, c, "private/seekable") },
		func() error { return v.get(ctx, c, "private/seekable") },
		func() error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &v.bucket, Key: &name, Body: struct{ io.Reader }{strings.NewReader(long)},
				ContentLength: aws.Int64(int64(len(long)))})
			return err
		},
		func() error {
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &v.bucket, Key: &name})
			if err != nil {
				return err
			}
			defer out.Body.Close()
			got, err := io.ReadAll(out.Body)
			if err == nil && string(got) != long {
				err = fmt.Errorf("%d bytes came back, not the %d that went", len(got), len(long))
			}
			return err
		},
	)
}

// otherBody sends another body than the one whose hash was signed.
func (v *visit) otherBody(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, "PUT", os.Getenv("S3_URL")+"/"+v.bucket+"/private/other", bytes.NewReader([]byte("what is sent")))
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("what was signed"))
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	creds, _ := v.owner.Retrieve(ctx)
	if err := v4.NewSigner().SignHTTP(ctx, creds, r, hash, "s3", region, time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }); err != nil {
		return err
	}
	status, body, err := fetch(r)
	if err == nil && (status != 400 || !strings.Contains(body, "XAmzContentSHA256Mismatch")) {
		err = fmt.Errorf("%d %s", status, body)
	}
	if err != nil {
		return err
	}
	return refused(v.get(ctx, v.s3(v.owner), "private/other"), "NoSuchKey")
}

// presigned is good for whoever has the address, until it ends, and for nothing
// but what was signed.
func (v *visit) presigned(ctx context.Context) error {
	const life = 4 * time.Second
	name := awkward
	signed, err := s3.NewPresignClient(v.s3(v.owner), s3.WithPresignExpires(life)).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &v.bucket, Key: &name})
	if err != nil {
		return err
	}
	ask := func(method, address string, want int, text string) error {
		r, err := http.NewRequestWithContext(ctx, method, address, nil)
		if err != nil {
			return err
		}
		status, body, err := fetch(r)
		if err == nil && (status != want || !strings.Contains(body, text)) {
			err = fmt.Errorf("%s: %d %s, want %d %s", method, status, body, want, text)
		}
		return err
	}
	return all(
		func() error { return ask("GET", signed.URL, 200, "content of "+awkward) },
		func() error { return ask("DELETE", signed.URL, 403, "SignatureDoesNotMatch") },
		func() error {
			return ask("GET", strings.Replace(signed.URL, "/shared/", "/private/", 1), 403, "SignatureDoesNotMatch")
		},
		func() error {
			return ask("GET", strings.Replace(signed.URL, "X-Amz-Expires=4", "X-Amz-Expires=400", 1), 403, "SignatureDoesNotMatch")
		},
		func() error { time.Sleep(life + time.Second); return nil },
		func() error { return ask("GET", signed.URL, 403, "AccessDenied") },
	)
}

func fetch(r *http.Request) (status int, body string, err error) {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}
