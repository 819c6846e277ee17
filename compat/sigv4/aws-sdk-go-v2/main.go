// Command aws-sdk-go-v2 signs requests with that SDK's signer and prints, a
// JSON object a line, what each string to sign is, which signature it has, and
// the request as it goes over the wire. The key is in AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY.
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

const (
	region   = "ru-central1"
	token    = "s1.of/a+session=="
	storage  = "https://storage.example.com/bucket"
	odd      = storage + "/%D0%BA%D0%BB%D1%8E%D1%87%20%2B/a%26b%3Dc%20%281%29//./../x~y%21%27%2A"
	identity = "Action=GetCallerIdentity&Version=2011-06-15"
)

// sample is a request to sign.
type sample struct {
	method, url, service, body string
	header                     http.Header
	token                      string
	presign                    bool
}

var samples = []sample{
	{method: "GET", url: storage + "?list-type=2&prefix=a%2Fb", service: "s3"},
	{method: "PUT", url: storage + "/%D0%BA%D0%BB%D1%8E%D1%87%20%2B", service: "s3", body: "content"},
	{method: "GET", url: odd + "?response-content-type=a%20b%2Bc%2Fd&versionId=&x=~-._%21%2A&X=%D0%BA&x=1&flag", service: "s3"},
	{method: "PUT", url: odd + "?uploads", service: "s3", header: http.Header{
		"X-Amz-Meta-B": {"  several   words "}, "X-Amz-Meta-A": {`"quoted   too"`, "and again"}}},
	{method: "GET", url: storage + "/object", service: "s3", token: token},
	{method: "GET", url: storage + "/object", service: "s3", presign: true},
	{method: "GET", url: odd + "?response-content-disposition=attachment%3B%20filename%3D%22a%20b.txt%22", service: "s3", token: token, presign: true},
	{method: "POST", url: "https://queue.example.com/", service: "sqs", body: "Action=ListQueues"},
	{method: "POST", url: "https://queue.example.com/b1g/%D0%BE%20%2F1/", service: "sqs", body: "Action=ListQueues"},
	{method: "POST", url: "https://sts.example.com/", service: "sts", body: identity},
	{method: "POST", url: "https://sts.example.com:8443/", service: "sts", body: identity, token: token,
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}},
	{method: "GET", url: "https://sts.example.com/?" + identity, service: "sts", presign: true},
}

func main() {
	for _, s := range samples {
		if err := s.sign(); err != nil {
			fmt.Fprintf(os.Stderr, "%s %s: %v\n", s.method, s.url, err)
			os.Exit(1)
		}
	}
}

// wire is a request as it goes over the wire.
type wire struct {
	Method  string      `json:"method"`
	Target  string      `json:"target"`
	Headers [][2]string `json:"headers"`
	Payload string      `json:"payload_sha256"`
}

func (w *wire) add(header http.Header) {
	for name, values := range header {
		for _, value := range values {
			w.Headers = append(w.Headers, [2]string{name, value})
		}
	}
}

// sign signs one request at this moment. What the signer signs is in what it logs.
func (s sample) sign() error {
	ctx, now := context.Background(), time.Now()
	r, err := http.NewRequest(s.method, s.url, strings.NewReader(s.body))
	if err != nil {
		return err
	}
	if s.header != nil {
		r.Header = s.header
	}
	digest := sha256.Sum256([]byte(s.body))
	hash := hex.EncodeToString(digest[:])
	key := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: s.token}
	var text string
	options := func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = s.service == "s3"
		o.LogSigning = true
		o.Logger = logging.LoggerFunc(func(_ logging.Classification, _ string, args ...any) { text, _ = args[1].(string) })
	}
	signature := ""
	sent := wire{Method: s.method, Payload: hash}
	if s.presign {
		payload := hash
		query := r.URL.Query()
		query.Set("X-Amz-Expires", "600")
		if s.service == "s3" {
			payload = "UNSIGNED-PAYLOAD"
		}
		r.URL.RawQuery = query.Encode()
		signed, header, err := v4.NewSigner().PresignHTTP(ctx, key, r, payload, s.service, region, now, options)
		if err != nil {
			return err
		}
		u, err := url.Parse(signed)
		if err != nil {
			return err
		}
		signature, sent.Target = u.Query().Get("X-Amz-Signature"), u.RequestURI()
		sent.add(header)
	} else {
		if s.service == "s3" {
			r.Header.Set("X-Amz-Content-Sha256", hash)
		}
		if err := v4.NewSigner().SignHTTP(ctx, key, r, hash, s.service, region, now, options); err != nil {
			return err
		}
		signature = regexp.MustCompile(`Signature=([0-9a-f]+)$`).FindStringSubmatch(r.Header.Get("Authorization"))[1]
		sent.Target = r.URL.RequestURI()
		sent.add(r.Header)
		sent.add(http.Header{"Host": {r.URL.Host}})
		if s.body != "" { // the client sends, and the signer signs, a length only of a body
			sent.add(http.Header{"Content-Length": {fmt.Sprint(len(s.body))}})
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"string_to_sign": text, "signature": signature, "token": s.token, "request": sent,
		"signed_at": now.UTC().Truncate(time.Second).Format(time.RFC3339), "service": s.service, "region": region})
}
