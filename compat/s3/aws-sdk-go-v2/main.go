// Command aws-sdk-go-v2 uses that SDK's S3 and STS clients as their users do,
// with only the endpoints changed, and exits with an error unless each request
// is answered as the key that signed it deserves. The environment names the
// endpoints, S3_URL, S3_TLS_URL with the certificate in S3_CA, and HTTP_URL; the
// keys, an owner's, a stranger's and an ephemeral one; and what ends the
// owner's key: an IAM token and the key's id.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const region = "ru-central1"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// key is an access key as its holder has it; token is of temporary ones.
type key struct{ id, secret, token string }

func (k key) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret, SessionToken: k.token}, nil
}

func keyOf(prefix string) key {
	return key{os.Getenv(prefix + "_KEY_ID"), os.Getenv(prefix + "_SECRET"), os.Getenv(prefix + "_TOKEN")}
}

// visit is one run of the program: a bucket of its own and the owner's key.
type visit struct {
	bucket string
	owner  key
	secure *http.Client
}

func run(ctx context.Context) error {
	secure, err := trusting(os.Getenv("S3_CA"))
	if err != nil {
		return err
	}
	v := &visit{bucket: fmt.Sprintf("compat-%d", time.Now().UnixNano()), owner: keyOf("OWNER"), secure: secure}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"a static key", v.static},
		{"uploads in pieces", v.pieces},
		{"a body that was not signed", v.otherBody},
		{"a presigned request", v.presigned},
		{"what is nobody's", v.nobody},
		{"an account without a role", v.stranger},
		{"an ephemeral key", v.ephemeral},
		{"a policy", v.policy},
		{"policies that are refused", v.badPolicies},
		{"the end of the static key", v.end},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func trusting(file string) (*http.Client, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + file)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

// s3 is the storage as the holder of a key sees it.
func (v *visit) s3(k key) *s3.Client {
	return s3.New(options(k, os.Getenv("S3_URL")))
}

// s3TLS is the same over TLS, where the SDK signs no bodies but sends checksums
// behind them.
func (v *visit) s3TLS(k key) *s3.Client {
	return s3.New(options(k, os.Getenv("S3_TLS_URL")), func(o *s3.Options) { o.HTTPClient = v.secure })
}

// options are those of a client that is made from the SDK's usual configuration.
func options(k key, endpoint string) s3.Options {
	return s3.Options{Region: region, Credentials: k, BaseEndpoint: &endpoint, UsePathStyle: true, RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported}
}

// assume makes a temporary key of the owner's.
func (v *visit) assume(ctx context.Context, policy string) (key, error) {
	in := &sts.AssumeRoleInput{RoleArn: aws.String("any-text-of-twenty-characters"), RoleSessionName: aws.String("compat"), DurationSeconds: aws.Int32(900)}
	if policy != "" {
		in.Policy = &policy
	}
	out, err := sts.New(sts.Options{Region: region, Credentials: v.owner, BaseEndpoint: aws.String(os.Getenv("HTTP_URL")), RetryMaxAttempts: 1}).AssumeRole(ctx, in)
	if err != nil {
		return key{}, err
	}
	c := out.Credentials
	if *c.AccessKeyId != v.owner.id {
		return key{}, fmt.Errorf("the temporary key's id is %s, the static key's is %s", *c.AccessKeyId, v.owner.id)
	}
	return key{*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken}, nil
}

// refused expects an error with one of AWS's codes.
func refused(err error, code string) error {
	var api smithy.APIError
	switch {
	case err == nil:
		return fmt.Errorf("it is allowed, want %s", code)
	case !errors.As(err, &api) || api.ErrorCode() != code:
		return fmt.Errorf("%w, want %s", err, code)
	}
	return nil
}

// all expects that nothing went wrong, and tells the first that did.
func all(checks ...func() error) error {
	for i, check := range checks {
		if err := check(); err != nil {
			return fmt.Errorf("check %d: %w", i+1, err)
		}
	}
	return nil
}
