// Command aws-sdk-go-v2 signs requests with that SDK's signer and prints, a
// JSON object a line, what each string to sign is and which signature it has.
// The key is in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/logging"
)

const region = "ru-central1"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	for _, r := range []struct {
		method, url, service, body string
		presign                    bool
	}{
		{"GET", "https://storage.example.com/bucket?list-type=2&prefix=a%2Fb", "s3", "", false},
		{"PUT", "https://storage.example.com/bucket/%D0%BA%D0%BB%D1%8E%D1%87%20%2B", "s3", "content", false},
		{"GET", "https://storage.example.com/bucket/object", "s3", "", true},
		{"POST", "https://queue.example.com/", "sqs", "Action=ListQueues", false},
		{"POST", "https://sts.example.com/", "sts", "Action=GetCallerIdentity&Version=2011-06-15", false},
	} {
		if err := sign(r.method, r.url, r.service, r.body, r.presign); err != nil {
			return fmt.Errorf("%s %s: %w", r.method, r.url, err)
		}
	}
	return nil
}

// sign signs one request at this moment. What the signer signs is in what it logs.
func sign(method, where, service, body string, presign bool) error {
	ctx, now := context.Background(), time.Now()
	r, err := http.NewRequest(method, where, strings.NewReader(body))
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(digest[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	key := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
	var text string
	options := func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = service == "s3"
		o.LogSigning = true
		o.Logger = logging.LoggerFunc(func(_ logging.Classification, _ string, args ...any) { text, _ = args[1].(string) })
	}
	signature := ""
	if presign {
		signed, _, err := v4.NewSigner().PresignHTTP(ctx, key, r, "UNSIGNED-PAYLOAD", service, region, now, options)
		if err != nil {
			return err
		}
		u, err := url.Parse(signed)
		if err != nil {
			return err
		}
		signature = u.Query().Get("X-Amz-Signature")
	} else {
		if err := v4.NewSigner().SignHTTP(ctx, key, r, hash, service, region, now, options); err != nil {
			return err
		}
		signature = regexp.MustCompile(`Signature=([0-9a-f]+)$`).FindStringSubmatch(r.Header.Get("Authorization"))[1]
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]string{"string_to_sign": text, "signature": signature,
		"signed_at": now.UTC().Truncate(time.Second).Format(time.RFC3339), "service": service, "region": region})
}
