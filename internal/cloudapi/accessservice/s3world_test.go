package accessservice_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const s3Authorize = "/propusk.v1.S3AuthService/Authorize"

// s3Key is an access key of any kind; token is of temporary ones.
type s3Key struct{ id, secret, token string }

func (k accessKey) s3() s3Key { return s3Key{k.keyID, k.secret, ""} }

// ephemeral makes an ephemeral key with an IAM token.
func (w *world) ephemeral(t testing.TB, token, policy string) s3Key {
	t.Helper()
	var made struct{ AccessKeyID, Secret, SessionToken string }
	r := w.Do(t, "POST", token, "/iam/aws-compatibility/v1/ephemeralAccessKeys", map[string]string{"sessionName": "a.session", "policy": policy})
	if r.Decode(t, &made); r.Code != 200 {
		t.Fatalf("ephemeral key: %d %s", r.Code, r.Body)
	}
	return s3Key{made.AccessKeyID, made.Secret, made.SessionToken}
}

// assume makes a temporary key of a static one at the STS door.
func (w *world) assume(t testing.TB, k s3Key, policy string) s3Key {
	t.Helper()
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"a_text_of_twenty_characters"}, "RoleSessionName": {"a.session"}}
	if policy != "" {
		form.Set("Policy", policy)
	}
	body := form.Encode()
	host := strings.TrimPrefix(w.HTTPURL, "http://")
	signed := k.request(time.Now(), "POST", "/sts/", host, "sts", body)
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.HTTPURL+"/sts/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, h := range signed.GetHeaders()[1:] {
		r.Header.Set(h.GetName(), h.GetValue())
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var made struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string } `xml:"AssumeRoleResult>Credentials"`
	}
	if err != nil || answer.StatusCode != 200 || xml.Unmarshal(text, &made) != nil {
		t.Fatalf("AssumeRole: %d %s (%v)", answer.StatusCode, text, err)
	}
	c := made.Credentials
	return s3Key{c.AccessKeyId, c.SecretAccessKey, c.SessionToken}
}

// request is a request that the key signed, version 4. The path needs no
// escapes; the first header is Host.
func (k s3Key) request(at time.Time, method, path, host, service, body string) *propuskpb.SignedRequest {
	sum := sha256.Sum256([]byte(body))
	hash, stamp := hex.EncodeToString(sum[:]), at.UTC().Format("20060102T150405Z")
	headers := []*propuskpb.Header{{Name: "Host", Value: host}, {Name: "X-Amz-Content-Sha256", Value: hash}, {Name: "X-Amz-Date", Value: stamp}}
	if k.token != "" {
		headers = append(headers, &propuskpb.Header{Name: "X-Amz-Security-Token", Value: k.token})
	}
	canonical, names := method+"\n"+path+"\n\n", []string{}
	for _, h := range headers {
		canonical += strings.ToLower(h.GetName()) + ":" + h.GetValue() + "\n"
		names = append(names, strings.ToLower(h.GetName()))
	}
	signed := strings.Join(names, ";")
	canonical += "\n" + signed + "\n" + hash
	scope := stamp[:8] + "/ru-central1/" + service + "/aws4_request"
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", stamp, scope, sha256.Sum256([]byte(canonical)))
	return &propuskpb.SignedRequest{Method: method, Target: path, Headers: append(headers, &propuskpb.Header{Name: "Authorization",
		Value: "AWS4-HMAC-SHA256 Credential=" + k.id + "/" + scope + ", SignedHeaders=" + signed + ", Signature=" + k.mac4(stamp[:8], service, text)})}
}

func (k s3Key) mac4(day, service, text string) string {
	key := []byte("AWS4" + k.secret)
	for _, part := range []string{day, "ru-central1", service, "aws4_request", text} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// requestV2 is a GET that the key signed, version 2.
func (k s3Key) requestV2(at time.Time, path, host string) *propuskpb.SignedRequest {
	date := at.UTC().Format(time.RFC1123Z)
	headers := []*propuskpb.Header{{Name: "Host", Value: host}, {Name: "Date", Value: date}}
	text := "GET\n\n\n" + date + "\n"
	if k.token != "" {
		headers = append(headers, &propuskpb.Header{Name: "x-amz-security-token", Value: k.token})
		text += "x-amz-security-token:" + k.token + "\n"
	}
	h := hmac.New(sha1.New, []byte(k.secret))
	h.Write([]byte(text + path))
	return &propuskpb.SignedRequest{Method: "GET", Target: path, Headers: append(headers, &propuskpb.Header{Name: "Authorization",
		Value: "AWS " + k.id + ":" + base64.StdEncoding.EncodeToString(h.Sum(nil))})}
}

// text is a string to sign of version 4 that the key signed.
func (k s3Key) text(at time.Time, service string) *propuskpb.SignedString {
	stamp := at.UTC().Format("20060102T150405Z")
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/ru-central1/%s/aws4_request\n%x", stamp, stamp[:8], service, sha256.Sum256([]byte("a request")))
	return &propuskpb.SignedString{AccessKeyId: k.id, StringToSign: text, Signature: k.mac4(stamp[:8], service, text), SessionToken: k.token,
		SignedAt: timestamppb.New(at.Truncate(time.Second)), Service: service, Region: "ru-central1"}
}

// textV2 is a string to sign of version 2 that the key signed.
func (k s3Key) textV2(at time.Time) *propuskpb.SignedString {
	text := "GET\n\n\n" + at.UTC().Format(time.RFC1123Z) + "\n/bucket-of-ours/a"
	h := hmac.New(sha1.New, []byte(k.secret))
	h.Write([]byte(text))
	return &propuskpb.SignedString{AccessKeyId: k.id, StringToSign: text, Signature: base64.StdEncoding.EncodeToString(h.Sum(nil)),
		SessionToken: k.token, V2Method: "HMAC_SHA1"}
}

// get is a question whether s3:GetObject is allowed on an object of the bucket.
func (w *world) get(proof any) *propuskpb.S3AuthorizeRequest {
	r := &propuskpb.S3AuthorizeRequest{Action: "s3:GetObject", Resource: "arn:aws:s3:::" + w.bucket + "/a", ResourcePath: refs("storage.bucket", w.bucket)}
	switch p := proof.(type) {
	case *propuskpb.SignedRequest:
		r.Proof = &propuskpb.S3AuthorizeRequest_Request{Request: p}
	case *propuskpb.SignedString:
		r.Proof = &propuskpb.S3AuthorizeRequest_StringToSign{StringToSign: p}
	}
	return r
}

func refs(pairs ...string) []*propuskpb.ResourceRef {
	var out []*propuskpb.ResourceRef
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, &propuskpb.ResourceRef{Type: pair[0], Id: pair[1]})
	}
	return out
}

func (w *world) askS3(t testing.TB, r *propuskpb.S3AuthorizeRequest) (*propuskpb.S3AuthorizeResponse, error) {
	t.Helper()
	out := &propuskpb.S3AuthorizeResponse{}
	return out, call(t, w.conn, s3Authorize, r, out)
}

// refusedS3 expects UNAUTHENTICATED, with one of S3's codes.
func (w *world) refusedS3(t *testing.T, what string, proof any, code string) {
	t.Helper()
	out, err := w.askS3(t, w.get(proof))
	s := status.Convert(err)
	got := ""
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			got = info.GetDomain() + " " + info.GetReason()
		}
	}
	if s.Code() != codes.Unauthenticated || got != "aws "+code {
		t.Errorf("%s: %s %q %q (%v), want UNAUTHENTICATED %s", what, s.Code(), s.Message(), got, out, code)
	}
}

// account makes a service account in the folder, without any role.
func (w *world) account(t testing.TB, id string) {
	t.Helper()
	w.update(t, func(tx *store.Tx) error {
		return store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: id, FolderID: w.FolderID, Name: "a" + id, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
	})
}
