package sts_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/sts"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// asked is a gate that remembers what it was asked and answers as it is told.
type asked struct {
	request *gate.Request
	message proto.Message
	answer  proto.Message
	fails   error
}

func (g *asked) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	res := &gate.Response{RequestID: "11111111-2222-4333-8444-555555555555"}
	g.request, g.message = r, &propuskpb.AssumeRoleRequest{}
	if strings.HasSuffix(r.Method, "/GetCallerIdentity") {
		g.message = &propuskpb.GetCallerIdentityRequest{}
	}
	if err := r.Decode(g.message); err != nil {
		return res, err
	}
	res.Message = g.answer
	return res, g.fails
}

const form = "application/x-www-form-urlencoded"

// ask sends a request through a real server, so that its headers are what
// net/http makes of them.
func ask(t *testing.T, g *asked, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	s := httptest.NewServer(&sts.Door{Gate: g})
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", form)
	}
	r.Host = "sts.example.com"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

const (
	whoami = "Action=GetCallerIdentity&Version=2011-06-15"
	assume = "Action=AssumeRole&Version=2011-06-15&RoleArn=any-text-of-twenty-characters&RoleSessionName=night-job"
)

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		answer proto.Message
		want   string
	}{
		"AssumeRole": {assume, &propuskpb.AssumeRoleResponse{AccessKeyId: "YCkey", SecretAccessKey: "YCsecret", SessionToken: "s1.token",
			ExpiresAt: timestamppb.New(time.Date(2026, 11, 22, 13, 5, 7, 999_000_000, time.UTC)), ServiceAccountId: "ajerobot"},
			`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><SourceIdentity></SourceIdentity>` +
				`<AssumedRoleUser><Arn>any-text-of-twenty-characters/night-job</Arn><AssumedRoleId>ajerobot:night-job</AssumedRoleId></AssumedRoleUser>` +
				`<Credentials><AccessKeyId>YCkey</AccessKeyId><SecretAccessKey>YCsecret</SecretAccessKey><SessionToken>s1.token</SessionToken>` +
				`<Expiration>2026-11-22T13:05:07Z</Expiration></Credentials><PackedPolicySize>0</PackedPolicySize></AssumeRoleResult>` +
				`<ResponseMetadata><RequestId>11111111-2222-4333-8444-555555555555</RequestId></ResponseMetadata></AssumeRoleResponse>`},
		"GetCallerIdentity": {whoami, &propuskpb.GetCallerIdentityResponse{SubjectId: "ajerobot", ContainerId: "b1gfolder"},
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
				`<Arn>arn:aws:iam::b1gfolder:user/ajerobot</Arn><UserId>ajerobot</UserId><Account>b1gfolder</Account></GetCallerIdentityResult>` +
				`<ResponseMetadata><RequestId>11111111-2222-4333-8444-555555555555</RequestId></ResponseMetadata></GetCallerIdentityResponse>`},
		"GetCallerIdentity of a temporary key": {whoami, &propuskpb.GetCallerIdentityResponse{SubjectId: "ajerobot", ContainerId: "b1gfolder", SessionName: "night-job"},
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
				`<Arn>arn:aws:sts::b1gfolder:assumed-role/ajerobot/night-job</Arn><UserId>ajerobot:night-job</UserId><Account>b1gfolder</Account></GetCallerIdentityResult>` +
				`<ResponseMetadata><RequestId>11111111-2222-4333-8444-555555555555</RequestId></ResponseMetadata></GetCallerIdentityResponse>`},
		"what is markup": {strings.Replace(assume, "night-job", "%3Cb%3E%26%00%1b", 1), &propuskpb.AssumeRoleResponse{ServiceAccountId: "ajerobot"},
			`<Arn>any-text-of-twenty-characters/&lt;b&gt;&amp;` + "\uFFFD\uFFFD" + `</Arn>`},
	} {
		res, got := ask(t, &asked{answer: c.answer}, "POST", "/", c.body)
		if res.StatusCode != http.StatusOK || !strings.Contains(got, c.want) || name != "what is markup" && got != c.want {
			t.Errorf("%s: %d\n%s", name, res.StatusCode, cmp.Diff(c.want, got))
		}
		want := map[string]string{"Content-Type": "text/xml; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"X-Amzn-Requestid": "11111111-2222-4333-8444-555555555555", "X-Request-Id": "11111111-2222-4333-8444-555555555555"}
		for header, value := range want {
			if res.Header.Get(header) != value {
				t.Errorf("%s: %s is %q, want %q", name, header, res.Header.Get(header), value)
			}
		}
	}
}

// What the gate is handed is what the client has sent.
func TestQuestions(t *testing.T) {
	body := assume + "&DurationSeconds=900&Policy=%7B%22Statement%22%3A+%5B%5D%7D&ExternalId=x&Tags=&PolicyArns=&something.else=1"
	sum := sha256.Sum256([]byte(body))
	want := &propuskpb.AssumeRoleRequest{
		RoleArn: "any-text-of-twenty-characters", RoleSessionName: "night-job", DurationSeconds: 900, Policy: `{"Statement": []}`,
		Request: &propuskpb.SignedRequest{Method: "POST", Target: "/sts/?a%2Fb=&c", PayloadSha256: hex.EncodeToString(sum[:]), Headers: []*propuskpb.Header{
			{Name: "Host", Value: "sts.example.com"}, {Name: "Accept-Encoding", Value: "gzip"}, {Name: "Authorization", Value: "AWS4-HMAC-SHA256 x"},
			{Name: "Content-Length", Value: strconv.Itoa(len(body))}, {Name: "Content-Type", Value: form}, {Name: "User-Agent", Value: "test"},
			{Name: "X-Twice", Value: "b"}, {Name: "X-Twice", Value: "a"}}},
	}
	g := &asked{answer: &propuskpb.AssumeRoleResponse{}}
	s := httptest.NewServer(&sts.Door{Gate: g})
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/sts/?a%2Fb=&c", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "sts.example.com"
	r.Header = http.Header{"Authorization": {"AWS4-HMAC-SHA256 x"}, "Content-Type": {form}, "X-Twice": {"b", "a"}, "User-Agent": {"test"}}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if d := cmp.Diff(want, g.message, protocmp.Transform()); d != "" || res.StatusCode != http.StatusOK {
		t.Errorf("%d\n%s", res.StatusCode, d)
	}
	if q := g.request; q.Door != "sts" || q.Method != "/propusk.v1.SecurityTokenService/AssumeRole" || q.RemoteAddr != "127.0.0.1" || q.UserAgent != "test" || q.Authorization != "" {
		t.Errorf("the call is %+v", q)
	}
	// In the query, the signature's parameters beside the action's.
	for _, target := range []string{"/?" + whoami + "&X-Amz-Signature=x&X-Amz-Signature=y", "/sts?" + whoami, "/sts/?x-amz-date=1&" + whoami} {
		g := &asked{answer: &propuskpb.GetCallerIdentityResponse{}}
		res, text := ask(t, g, "GET", target, "")
		const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		if m, ok := g.message.(*propuskpb.GetCallerIdentityRequest); !ok || res.StatusCode != http.StatusOK ||
			m.GetRequest().GetTarget() != target || m.GetRequest().GetMethod() != "GET" || m.GetRequest().GetPayloadSha256() != empty {
			t.Errorf("%s: %d %s, the gate was asked %v", target, res.StatusCode, text, g.message)
		}
	}
}

type failure struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Error   struct{ Type, Code, Message string }
	Request string `xml:"RequestId"`
}

// failureIn reads an error as strictly as a client does, and more.
func failureIn(t *testing.T, what string, res *http.Response, text string) failure {
	t.Helper()
	var f failure
	if err := xml.Unmarshal([]byte(text), &f); err != nil {
		t.Errorf("%s: %d: no error of AWS's: %v\n%s", what, res.StatusCode, err, text)
		return f
	}
	whose := "Sender"
	if res.StatusCode >= 500 {
		whose = "Receiver"
	}
	if f.Error.Type != whose || f.Error.Message == "" || len(f.Request) != 36 || res.Header.Get("X-Request-Id") != f.Request ||
		res.Header.Get("x-amzn-RequestId") != f.Request || res.Header.Get("Content-Type") != "text/xml; charset=utf-8" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d %s %v", what, res.StatusCode, text, res.Header)
	}
	return f
}

// What is refused before anybody is asked who signed it, and what the gate is
// never asked.
func TestBadRequests(t *testing.T) {
	for name, c := range map[string]struct {
		method, target, body string
		headers              []string
		status               int
		code, says           string
	}{
		"no action":               {"POST", "/", "Version=2011-06-15", nil, 400, "MissingAction", "Action"},
		"nothing at all":          {"POST", "/", "", nil, 400, "MissingAction", "Action"},
		"another action":          {"POST", "/", "Action=GetSessionToken&Version=2011-06-15", nil, 400, "InvalidAction", "GetSessionToken"},
		"an action's other case":  {"POST", "/", "Action=assumeRole&Version=2011-06-15", nil, 400, "InvalidAction", "assumeRole"},
		"a huge action":           {"POST", "/", "Action=" + strings.Repeat("x", 999), nil, 400, "InvalidAction", strings.Repeat("x", 64) + "…"},
		"a secret as the action":  {"POST", "/", "Action=YC" + strings.Repeat("s", 38), nil, 400, "InvalidAction", "YC****"},
		"markup as the action":    {"POST", "/", "Action=%3C/Message%3E%3CCode%3E", nil, 400, "InvalidAction", "</Message><Code>"},
		"no version":              {"POST", "/", "Action=AssumeRole", nil, 400, "InvalidAction", "2011-06-15"},
		"another version":         {"POST", "/", "Action=AssumeRole&Version=2010-05-08", nil, 400, "InvalidAction", "2011-06-15"},
		"a parameter twice":       {"POST", "/", assume + "&RoleArn=x", nil, 400, "InvalidParameterValue", "RoleArn"},
		"in query and body":       {"POST", "/?DurationSeconds=900", assume + "&DurationSeconds=43200", nil, 400, "InvalidParameterValue", "DurationSeconds"},
		"twice, once encoded":     {"POST", "/", assume + "&%52oleArn=x", nil, 400, "InvalidParameterValue", "RoleArn"},
		"a broken escape":         {"POST", "/", assume + "&Policy=%zz", nil, 400, "MalformedQueryString", "percent-encoded"},
		"no UTF-8":                {"POST", "/", assume + "&Policy=%ff", nil, 400, "MalformedQueryString", "UTF-8"},
		"JSON":                    {"POST", "/", `{"Action":"AssumeRole"}`, []string{"Content-Type", "application/json"}, 415, "UnsupportedMediaType", "x-www-form-urlencoded"},
		"no content type":         {"POST", "/", assume, []string{"Content-Type", ""}, 415, "UnsupportedMediaType", "x-www-form-urlencoded"},
		"another charset":         {"POST", "/", assume, []string{"Content-Type", form + "; charset=koi8-r"}, 415, "UnsupportedMediaType", "UTF-8"},
		"a compressed body":       {"POST", "/", assume, []string{"Content-Encoding", "gzip"}, 400, "ValidationError", "Content-Encoding"},
		"a body of 64 KiB and 1":  {"POST", "/", strings.Repeat("x", 64<<10+1), nil, 413, "RequestEntityTooLarge", "64 KiB"},
		"a GET with a body":       {"GET", "/sts?" + whoami, assume, nil, 400, "ValidationError", "GET"},
		"a GET without an action": {"GET", "/sts", "", nil, 400, "MissingAction", "Action"},
		"another method":          {"PUT", "/sts/", assume, nil, 405, "MethodNotAllowed", "GET and POST"},

		"a life of 0":            {"POST", "/", assume + "&DurationSeconds=0", nil, 400, "ValidationError", "DurationSeconds: must be"},
		"a life in words":        {"POST", "/", assume + "&DurationSeconds=hour", nil, 400, "ValidationError", "DurationSeconds: must be"},
		"a negative life":        {"POST", "/", assume + "&DurationSeconds=-900", nil, 400, "ValidationError", "DurationSeconds: must be"},
		"a life with a point":    {"POST", "/", assume + "&DurationSeconds=900.0", nil, 400, "ValidationError", "DurationSeconds: must be"},
		"an empty life":          {"POST", "/", assume + "&DurationSeconds=", nil, 400, "ValidationError", "DurationSeconds: must be"},
		"a huge life":            {"POST", "/", assume + "&DurationSeconds=99999999999999999999", nil, 400, "ValidationError", "DurationSeconds: must be"},
		"an empty policy":        {"POST", "/", assume + "&Policy=", nil, 400, "ValidationError", "Policy: it is empty"},
		"a policy's other case":  {"POST", "/", assume + "&policy=%7B%7D", nil, 400, "InvalidParameterValue", "policy"},
		"managed policies":       {"POST", "/", assume + "&PolicyArns.member.1.arn=x", nil, 400, "InvalidParameterValue", "PolicyArns.member.1.arn"},
		"tags":                   {"POST", "/", assume + "&Tags.member.1.Key=x&Tags.member.1.Value=y", nil, 400, "InvalidParameterValue", "Tags.member.1"},
		"transitive tags":        {"POST", "/", assume + "&TransitiveTagKeys.member.1=x", nil, 400, "InvalidParameterValue", "TransitiveTagKeys"},
		"a second factor":        {"POST", "/", assume + "&SerialNumber=x", nil, 400, "InvalidParameterValue", "SerialNumber"},
		"its code":               {"POST", "/", assume + "&TokenCode=123456", nil, 400, "InvalidParameterValue", "TokenCode"},
		"a source identity":      {"POST", "/", assume + "&SourceIdentity=x", nil, 400, "InvalidParameterValue", "SourceIdentity"},
		"contexts":               {"POST", "/", assume + "&ProvidedContexts.member.1.ProviderArn=x", nil, 400, "InvalidParameterValue", "ProvidedContexts"},
		"managed, another case":  {"POST", "/", assume + "&policyarns.member.1.arn=x", nil, 400, "InvalidParameterValue", "policyarns"},
		"a list where none is":   {"POST", "/", assume + "&Policy.member.1=x", nil, 400, "InvalidParameterValue", "Policy.member.1"},
		"a tag's key like ours":  {"POST", "/", assume + "&RoleArn.1=x", nil, 400, "InvalidParameterValue", "RoleArn.1"},
		"a signature as a lever": {"POST", "/", assume + "&X-Amz-Signature=x&X-Amz-Signature=y", nil, 400, "InvalidParameterValue", "X-Amz-Signature"},
	} {
		g := &asked{answer: &propuskpb.AssumeRoleResponse{}}
		res, text := ask(t, g, c.method, c.target, c.body, c.headers...)
		f := failureIn(t, name, res, text)
		if res.StatusCode != c.status || f.Error.Code != c.code || !strings.Contains(f.Error.Message, c.says) {
			t.Errorf("%s: %d %s %q, want %d %s with %q", name, res.StatusCode, f.Error.Code, f.Error.Message, c.status, c.code, c.says)
		}
		if res.StatusCode == 405 && res.Header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: Allow is %q", name, res.Header.Get("Allow"))
		}
	}
}

// Every kind of error has its code, and an unknown one shows nothing.
func TestErrors(t *testing.T) {
	reason := func(kind iam.Kind, reason string) error {
		return &iam.Error{Kind: kind, Message: "text <of> it", Reason: reason}
	}
	for name, c := range map[string]struct {
		err        error
		status     int
		code, says string
	}{
		"unsigned":                  {reason(iam.Unauthenticated, "signature_missing"), 403, "MissingAuthenticationToken", "text <of> it"},
		"half a signature":          {reason(iam.Unauthenticated, "signature_incomplete"), 400, "IncompleteSignature", "text"},
		"two signatures":            {reason(iam.Unauthenticated, "signature_twice"), 400, "IncompleteSignature", "text"},
		"another method":            {reason(iam.Unauthenticated, "signature_method"), 400, "IncompleteSignature", "text"},
		"an odd string to sign":     {reason(iam.Unauthenticated, "signature_malformed"), 400, "IncompleteSignature", "text"},
		"no HTTP":                   {reason(iam.Unauthenticated, "request_malformed"), 400, "IncompleteSignature", "text"},
		"headers left out":          {reason(iam.Unauthenticated, "signature_headers"), 403, "SignatureDoesNotMatch", "text"},
		"another body":              {reason(iam.Unauthenticated, "signature_payload"), 403, "SignatureDoesNotMatch", "text"},
		"another day":               {reason(iam.Unauthenticated, "signature_scope"), 403, "SignatureDoesNotMatch", "text"},
		"another service":           {reason(iam.Unauthenticated, "signature_service"), 403, "SignatureDoesNotMatch", "text"},
		"too old":                   {reason(iam.Unauthenticated, "signature_expired"), 403, "SignatureDoesNotMatch", "text"},
		"too new":                   {reason(iam.Unauthenticated, "signature_not_yet_valid"), 403, "SignatureDoesNotMatch", "text"},
		"wrong":                     {reason(iam.Unauthenticated, "access_key_invalid"), 403, "SignatureDoesNotMatch", "text"},
		"a secret as an id":         {reason(iam.Unauthenticated, "credential_kind"), 403, "InvalidClientTokenId", "text"},
		"an odd session token":      {reason(iam.Unauthenticated, "temporary_key_invalid"), 403, "InvalidClientTokenId", "text"},
		"a revoked session":         {reason(iam.Unauthenticated, "temporary_key_revoked"), 403, "InvalidClientTokenId", "text"},
		"an expired session":        {reason(iam.Unauthenticated, "temporary_key_expired"), 403, "ExpiredToken", "text"},
		"a suspended account":       {reason(iam.Unauthenticated, "account_suspended"), 403, "InvalidClientTokenId", "text"},
		"denied":                    {reason(iam.PermissionDenied, ""), 403, "AccessDenied", "text"},
		"a policy":                  {&iam.Error{Kind: iam.InvalidArgument, Message: "policy: bad", Reason: "policy_malformed", Fields: []iam.FieldViolation{{Field: "policy", Description: "bad"}}}, 400, "MalformedPolicyDocument", "Policy: bad"},
		"a large policy":            {reason(iam.InvalidArgument, "policy_too_large"), 400, "PackedPolicyTooLarge", "text"},
		"fields":                    {&iam.Error{Kind: iam.InvalidArgument, Message: "Validation failed", Fields: []iam.FieldViolation{{Field: "role_arn", Description: "too <short>"}, {Field: "request.headers[3].value", Description: "long"}}}, 400, "ValidationError", "RoleArn: too <short>; request.headers[3].value: long"},
		"precondition":              {reason(iam.FailedPrecondition, ""), 400, "ValidationError", "text"},
		"too much":                  {&iam.Error{Kind: iam.ResourceExhausted, Message: "slow", RetryAfter: 1500 * time.Millisecond}, 400, "Throttling", "slow"},
		"away":                      {&iam.Error{Kind: iam.Unavailable, Message: "away", RetryAfter: time.Second}, 503, "ServiceUnavailable", "away"},
		"late":                      {context.DeadlineExceeded, 503, "ServiceUnavailable", "deadline"},
		"aborted":                   {reason(iam.Aborted, ""), 503, "ServiceUnavailable", "text"},
		"not there":                 {reason(iam.Unimplemented, ""), 400, "InvalidAction", "text"},
		"our fault":                 {errors.New("dsn=postgres://secret"), 500, "InternalFailure", "Internal error"},
		"our fault, in other words": {reason(iam.Internal, ""), 500, "InternalFailure", "text"},
		"a secret":                  {iam.Errorf(iam.InvalidArgument, "bad s1.%s", strings.Repeat("a", 90)), 400, "ValidationError", "bad s1.****"},
		"a secret in a field":       {iam.InvalidField("policy", "bad YC%s", strings.Repeat("a", 38)), 400, "ValidationError", "Policy: bad YC****"},
	} {
		res, text := ask(t, &asked{fails: c.err}, "POST", "/", whoami)
		f := failureIn(t, name, res, text)
		if res.StatusCode != c.status || f.Error.Code != c.code || !strings.Contains(f.Error.Message, c.says) || strings.Contains(text, "postgres") {
			t.Errorf("%s: %d %s %q, want %d %s with %q", name, res.StatusCode, f.Error.Code, f.Error.Message, c.status, c.code, c.says)
		}
		want := map[string]string{"too much": "2", "away": "1"}[name]
		if got := res.Header.Get("Retry-After"); got != want {
			t.Errorf("%s: Retry-After is %q, want %q", name, got, want)
		}
	}
}

func TestTakes(t *testing.T) {
	for request, want := range map[string]bool{
		"POST /": true, "POST /?x=y": true, "GET /?Action=GetCallerIdentity": true, "GET /?Action=": true, "GET /sts": true, "POST /sts": true,
		"GET /sts/": true, "PUT /sts": true, "HEAD /sts/": true, "GET /%73ts": true,
		"GET /": false, "GET /?action=x": false, "HEAD /?Action=x": false, "PUT /": false, "POST /sts/x": false, "POST /stss": false,
		"POST //": false, "POST /iam/v1/tokens": false, "GET /iam/v1/roles?Action=x": false,
	} {
		method, target, _ := strings.Cut(request, " ")
		if got := sts.Takes(httptest.NewRequest(method, target, nil)); got != want {
			t.Errorf("%s: %v, want %v", request, got, want)
		}
	}
}
