// Command aws-sdk-go-v2 asks the STS door what that SDK's clients ask, with
// nothing changed but the address, and checks what it gets. The static key is in
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the door's address in STS_URL.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
)

const (
	role   = "any-text-of-twenty-characters"
	name   = "night-job"
	policy = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}]}`
)

var account, folder = os.Getenv("SERVICE_ACCOUNT_ID"), os.Getenv("FOLDER_ID")

func main() {
	for _, address := range []string{os.Getenv("STS_URL"), os.Getenv("STS_URL") + "/sts"} {
		if err := run(context.Background(), address); err != nil {
			fmt.Fprintln(os.Stderr, address+":", err)
			os.Exit(1)
		}
	}
}

func client(address string, key aws.Credentials) *sts.Client {
	return sts.New(sts.Options{Region: "ru-central1", BaseEndpoint: aws.String(address),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return key, nil })})
}

func run(ctx context.Context, address string) error {
	static := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
	c := client(address, static)
	if err := isCalled(ctx, c, account); err != nil {
		return fmt.Errorf("the static key: %w", err)
	}
	for _, seconds := range []int32{0, 900, 43200} {
		for _, with := range []string{"", policy} {
			if err := assume(ctx, address, c, seconds, with); err != nil {
				return fmt.Errorf("%d s, policy %q: %w", seconds, with, err)
			}
		}
	}
	if err := presigned(ctx, c); err != nil {
		return fmt.Errorf("a presigned question: %w", err)
	}
	return refusals(ctx, address, c, static)
}

func question(seconds int32, with string) *sts.AssumeRoleInput {
	in := &sts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String(name)}
	if seconds > 0 {
		in.DurationSeconds = aws.Int32(seconds)
	}
	if with != "" {
		in.Policy = aws.String(with)
	}
	return in
}

// assume makes a temporary key and asks who it is.
func assume(ctx context.Context, address string, c *sts.Client, seconds int32, with string) error {
	before := time.Now()
	out, err := c.AssumeRole(ctx, question(seconds, with))
	if err != nil {
		return err
	}
	want := time.Hour
	if seconds > 0 {
		want = time.Duration(seconds) * time.Second
	}
	if life := out.Credentials.Expiration.Sub(before); life < want-5*time.Second || life > want+5*time.Second {
		return fmt.Errorf("a life of %v, want %v", life, want)
	}
	if got := aws.ToString(out.AssumedRoleUser.Arn); got != role+"/"+name {
		return fmt.Errorf("the ARN is %q", got)
	}
	key := aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	if key.AccessKeyID != os.Getenv("AWS_ACCESS_KEY_ID") || aws.ToInt32(out.PackedPolicySize) != 0 {
		return fmt.Errorf("key %s, size %d", key.AccessKeyID, aws.ToInt32(out.PackedPolicySize))
	}
	temporary := client(address, key)
	if err := isCalled(ctx, temporary, account+":"+name); err != nil {
		return err
	}
	_, err = temporary.AssumeRole(ctx, question(0, ""))
	return hasCode(err, "AccessDenied")
}

func isCalled(ctx context.Context, c *sts.Client, want string) error {
	who, err := c.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	if aws.ToString(who.Account) != folder || aws.ToString(who.UserId) != want || !strings.HasPrefix(aws.ToString(who.Arn), "arn:aws:") {
		return fmt.Errorf("account %q, user %q, %q", aws.ToString(who.Account), aws.ToString(who.UserId), aws.ToString(who.Arn))
	}
	return nil
}

func presigned(ctx context.Context, c *sts.Client) error {
	r, err := sts.NewPresignClient(c).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		return err
	}
	req.Header = r.SignedHeader
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), "<UserId>"+account+"</UserId>") {
		return fmt.Errorf("%d %s (%w)", res.StatusCode, text, err)
	}
	return nil
}

func refusals(ctx context.Context, address string, c *sts.Client, static aws.Credentials) error {
	for _, seconds := range []int32{899, 43201} {
		_, err := c.AssumeRole(ctx, question(seconds, ""))
		if err := hasCode(err, "ValidationError"); err != nil {
			return fmt.Errorf("%d s: %w", seconds, err)
		}
	}
	_, err := c.AssumeRole(ctx, question(0, strings.Replace(policy, "Action", "NotAction", 1)))
	var malformed *types.MalformedPolicyDocumentException
	if !errors.As(err, &malformed) {
		return fmt.Errorf("a policy that is not understood: %w", err)
	}
	in := question(0, "")
	in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("one")}}
	_, err = c.AssumeRole(ctx, in)
	if err := hasCode(err, "InvalidParameterValue"); err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	static.SecretAccessKey = strings.Repeat("x", 40)
	_, err = client(address, static).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err := hasCode(err, "SignatureDoesNotMatch"); err != nil {
		return fmt.Errorf("another secret: %w", err)
	}
	static.SessionToken = "s1." + strings.Repeat("x", 280)
	_, err = client(address, static).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err := hasCode(err, "InvalidClientTokenId"); err != nil {
		return fmt.Errorf("an unknown session token: %w", err)
	}
	return nil
}

func hasCode(err error, want string) error {
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != want {
		return fmt.Errorf("%w, want %s", err, want)
	}
	return nil
}
