package sts_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
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
