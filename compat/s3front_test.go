//go:build unix

package compat_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// s3Front is a small S3, of which only the asking is real: it keeps objects in
// memory, and before it does anything asks S3AuthService with the request as it
// came. It knows buckets in the path alone.
type s3Front struct {
	auth   propuskpb.S3AuthServiceClient
	folder string // that all buckets belong to

	mu      sync.Mutex
	buckets map[string]map[string][]byte
	order   []string       // buckets as they were created
	forms   map[string]int // how bodies came: their hashes, or a word in place of those
}

// streamed stands for the hash of a body in pieces, with a checksum behind it.
const streamed = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

// s3Error is an answer that refuses.
type s3Error struct {
	status        int
	code, message string
}

// s3Statuses are the codes whose status is not 403.
var s3Statuses = map[string]int{
	"InvalidRequest": 400, "InvalidArgument": 400, "AuthorizationHeaderMalformed": 400, "XAmzContentSHA256Mismatch": 400,
	"ExpiredToken": 400, "InvalidToken": 400, "BadDigest": 400, "NoSuchKey": 404, "NoSuchBucket": 404, "NotImplemented": 501, "InternalError": 500,
}

func s3Refusal(code, message string) *s3Error {
	status := s3Statuses[code]
	if status == 0 {
		status = http.StatusForbidden
	}
	return &s3Error{status, code, message}
}

func (f *s3Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	action, answer := f.route(r, bucket, key)
	refused := s3Refusal("NotImplemented", r.Method+" "+r.URL.Path)
	if action != "" {
		refused = f.permit(r, action, bucket, key)
	}
	if refused == nil {
		refused = answer(w)
	}
	if refused == nil {
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(refused.status)
	if r.Method != http.MethodHead {
		writeXML(w, struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
			Message string
		}{Code: refused.code, Message: refused.message})
	}
}

// route finds what a request does: the action, and the function that does it.
func (f *s3Front) route(r *http.Request, bucket, key string) (action string, answer func(http.ResponseWriter) *s3Error) {
	switch at := map[bool]string{true: "bucket", false: "object"}[key == ""]; {
	case bucket == "" && r.Method == http.MethodGet:
		return "s3:ListAllMyBuckets", f.listBuckets
	case bucket == "":
	case at == "bucket" && r.Method == http.MethodPut:
		return "s3:CreateBucket", func(http.ResponseWriter) *s3Error { return f.create(bucket) }
	case at == "bucket" && r.Method == http.MethodHead, at == "bucket" && r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2":
		return "s3:ListBucket", func(w http.ResponseWriter) *s3Error { return f.list(w, bucket, r.URL.Query().Get("prefix")) }
	case at == "object" && r.Method == http.MethodPut:
		return "s3:PutObject", func(http.ResponseWriter) *s3Error { return f.put(r, bucket, key) }
	case at == "object" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return "s3:GetObject", func(w http.ResponseWriter) *s3Error { return f.get(w, bucket, key) }
	case at == "object" && r.Method == http.MethodDelete:
		return "s3:DeleteObject", func(w http.ResponseWriter) *s3Error { return f.remove(w, bucket, key) }
	}
	return "", nil
}

// permit asks whether whoever signed may do it. Whatever is not a clear yes is
// a refusal.
func (f *s3Front) permit(r *http.Request, action, bucket, key string) *s3Error {
	ask := &propuskpb.S3AuthorizeRequest{
		Proof:  &propuskpb.S3AuthorizeRequest_Request{Request: signedRequest(r)},
		Action: action, Resource: "arn:aws:s3:::" + bucket,
		ResourcePath: []*propuskpb.ResourceRef{{Type: "resource-manager.folder", Id: f.folder}},
	}
	switch {
	case bucket == "":
		ask.Resource += "*"
	case action != "s3:CreateBucket":
		ask.ResourcePath = slices.Insert(ask.ResourcePath, 0, &propuskpb.ResourceRef{Type: "storage.bucket", Id: bucket})
	}
	if key != "" {
		ask.Resource += "/" + key
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	out, err := f.auth.Authorize(ctx, ask)
	switch s := status.Convert(err); {
	case s.Code() == codes.Unauthenticated:
		for _, d := range s.Details() {
			if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "aws" {
				return s3Refusal(info.GetReason(), s.Message())
			}
		}
		return s3Refusal("AccessDenied", s.Message())
	case err != nil:
		return s3Refusal("InternalError", s.Message())
	case !out.GetAllowed():
		return s3Refusal("AccessDenied", out.GetReason())
	}
	return nil
}

// signedRequest is a request as it came. The values of one header keep their
// order; that of different ones means nothing.
func signedRequest(r *http.Request) *propuskpb.SignedRequest {
	out := &propuskpb.SignedRequest{Method: r.Method, Target: r.RequestURI, Headers: []*propuskpb.Header{{Name: "Host", Value: r.Host}}}
	for name, values := range r.Header {
		for _, v := range values {
			out.Headers = append(out.Headers, &propuskpb.Header{Name: name, Value: v})
		}
	}
	return out
}

// put keeps an object whose body is the one that was signed, or that its
// checksum says it is.
func (f *s3Front) put(r *http.Request, bucket, key string) *s3Error {
	var body []byte
	var err error
	hash := r.Header.Get("X-Amz-Content-Sha256")
	form := strings.TrimLeft(hash, "0123456789abcdef")
	switch form {
	case streamed:
		if body, err = readChunks(r.Body, r.Header.Get("X-Amz-Trailer")); err != nil {
			return s3Refusal("BadDigest", err.Error())
		}
	case "UNSIGNED-PAYLOAD":
		if body, err = io.ReadAll(r.Body); err != nil {
			return s3Refusal("InternalError", err.Error())
		}
	case "":
		if body, err = io.ReadAll(r.Body); err != nil {
			return s3Refusal("InternalError", err.Error())
		}
		if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != hash {
			return s3Refusal("XAmzContentSHA256Mismatch", "The body is not the one that was signed")
		}
	default:
		return s3Refusal("NotImplemented", hash)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forms[form]++
	objects, ok := f.buckets[bucket]
	if !ok {
		return s3Refusal("NoSuchBucket", bucket)
	}
	objects[key] = body
	return nil
}

func (f *s3Front) get(w http.ResponseWriter, bucket, key string) *s3Error {
	f.mu.Lock()
	body, ok := f.buckets[bucket][key]
	f.mu.Unlock()
	if !ok {
		return s3Refusal("NoSuchKey", key)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = io.Copy(w, bytes.NewReader(body)) // whoever has gone is told nothing
	return nil
}

func (f *s3Front) remove(w http.ResponseWriter, bucket, key string) *s3Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.buckets[bucket], key)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (f *s3Front) create(bucket string) *s3Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.buckets[bucket] == nil {
		f.buckets[bucket] = map[string][]byte{}
		f.order = append(f.order, bucket)
	}
	return nil
}

func (f *s3Front) list(w http.ResponseWriter, bucket, prefix string) *s3Error {
	type object struct {
		Key  string
		Size int
	}
	out := struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Name     string
		KeyCount int
		Contents []object
	}{Name: bucket}
	f.mu.Lock()
	defer f.mu.Unlock()
	objects, ok := f.buckets[bucket]
	if !ok {
		return s3Refusal("NoSuchBucket", bucket)
	}
	for key, body := range objects {
		if strings.HasPrefix(key, prefix) {
			out.Contents = append(out.Contents, object{key, len(body)})
		}
	}
	slices.SortFunc(out.Contents, func(a, b object) int { return strings.Compare(a.Key, b.Key) })
	out.KeyCount = len(out.Contents)
	writeXML(w, out)
	return nil
}

func (f *s3Front) listBuckets(w http.ResponseWriter) *s3Error {
	type bucket struct{ Name string }
	out := struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		Buckets []bucket `xml:"Buckets>Bucket"`
	}{}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range f.order {
		out.Buckets = append(out.Buckets, bucket{name})
	}
	writeXML(w, out)
	return nil
}

func writeXML(w io.Writer, v any) {
	_, _ = io.WriteString(w, xml.Header) // whoever has gone is told nothing
	_ = xml.NewEncoder(w).Encode(v)
}
