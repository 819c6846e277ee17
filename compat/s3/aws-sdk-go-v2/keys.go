package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// nobody shows keys that are not whole.
func (v *visit) nobody(ctx context.Context) error {
	one, err := v.assume(ctx, "")
	if err != nil {
		return err
	}
	two, err := v.assume(ctx, "")
	if err != nil {
		return err
	}
	for what, k := range map[string]key{
		"a wrong secret":                      {v.owner.id, two.secret, ""},
		"a static secret with a token":        {v.owner.id, v.owner.secret, one.token},
		"another key's token":                 {one.id, one.secret, two.token},
		"no token":                            {one.id, one.secret, ""},
		"a token that was cut":                {one.id, one.secret, one.token[:len(one.token)-4]},
		"another id":                          {"YC" + strings.Repeat("0", 23), one.secret, one.token},
		"no key that was ever made":           {"YC" + strings.Repeat("0", 23), v.owner.secret, ""},
		"the other secret with the right one": {two.id, two.secret, one.token},
	} {
		if err := refused(v.get(ctx, v.s3(k), awkward), "SignatureDoesNotMatch"); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return v.get(ctx, v.s3(one), awkward)
}

// stranger has a good key and no role.
func (v *visit) stranger(ctx context.Context) error {
	c := v.s3(keyOf("STRANGER"))
	return all(
		func() error { return refused(v.get(ctx, c, awkward), "AccessDenied") },
		func() error { return refused(v.put(ctx, c, "private/stranger"), "AccessDenied") },
		func() error { _, err := v.list(ctx, c, ""); return refused(err, "AccessDenied") },
		func() error {
			_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(v.bucket + "-stranger")})
			return refused(err, "AccessDenied")
		},
	)
}

// ephemeral is a key that was made with an IAM token.
func (v *visit) ephemeral(ctx context.Context) error {
	k := keyOf("EPHEMERAL")
	c := v.s3(k)
	return all(
		func() error { return v.put(ctx, c, "shared/ephemeral") },
		func() error { return v.get(ctx, v.s3TLS(k), "shared/ephemeral") },
		func() error { k.token = ""; return refused(v.get(ctx, v.s3(k), awkward), "SignatureDoesNotMatch") },
	)
}

// policy uses keys that may do less than their account.
func (v *visit) policy(ctx context.Context) error {
	reader, err := v.assume(ctx, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::`+v.bucket+`/shared/*"}}`)
	if err != nil {
		return err
	}
	careful, err := v.assume(ctx, `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":["s3:Delete*"],"Resource":["arn:aws:s3:::`+v.bucket+`","arn:aws:s3:::`+v.bucket+`/*"]}]}`)
	if err != nil {
		return err
	}
	idle, err := v.assume(ctx, `{"Statement":[]}`)
	if err != nil {
		return err
	}
	reads, cares := v.s3(reader), v.s3(careful)
	return all(
		func() error { return v.get(ctx, reads, awkward) },
		func() error { return refused(v.get(ctx, reads, "private/a"), "AccessDenied") },
		func() error { return refused(v.put(ctx, reads, "shared/new"), "AccessDenied") },
		func() error { return refused(v.remove(ctx, reads, awkward), "AccessDenied") },
		func() error { _, err := v.list(ctx, reads, "shared/"); return refused(err, "AccessDenied") },
		func() error { return v.put(ctx, cares, "private/careful") },
		func() error { return v.get(ctx, cares, "private/careful") },
		func() error { return refused(v.remove(ctx, cares, "private/careful"), "AccessDenied") },
		func() error { return refused(v.get(ctx, v.s3(idle), awkward), "AccessDenied") },
	)
}

// badPolicies are not passed over: no key is made.
func (v *visit) badPolicies(ctx context.Context) error {
	for _, policy := range []string{
		`{"Statement":{"Effect":"Allow","NotAction":"s3:DeleteObject","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}}`,
		`{"Statement":`,
	} {
		_, err := v.assume(ctx, policy)
		if err := refused(err, "MalformedPolicyDocument"); err != nil {
			return fmt.Errorf("%s: %w", policy, err)
		}
	}
	return nil
}

// end deletes the static key: with the answer, its temporary keys are no more.
func (v *visit) end(ctx context.Context) error {
	child, err := v.assume(ctx, "")
	if err != nil {
		return err
	}
	c := v.s3(child)
	return all(
		func() error { return v.put(ctx, c, "shared/child") },
		func() error { return v.get(ctx, c, "shared/child") },
		func() error {
			r, err := http.NewRequestWithContext(ctx, "DELETE", os.Getenv("HTTP_URL")+"/iam/aws-compatibility/v1/accessKeys/"+os.Getenv("OWNER_ROW"), nil)
			if err != nil {
				return err
			}
			r.Header.Set("Authorization", "Bearer "+os.Getenv("IAM_TOKEN"))
			status, body, err := fetch(r)
			if err == nil && status != 200 {
				err = fmt.Errorf("%d %s", status, body)
			}
			return err
		},
		func() error { return refused(v.get(ctx, c, "shared/child"), "InvalidToken") },
		func() error { return refused(v.get(ctx, v.s3(v.owner), "shared/child"), "SignatureDoesNotMatch") },
		func() error { return v.get(ctx, v.s3(keyOf("EPHEMERAL")), "shared/child") },
	)
}
