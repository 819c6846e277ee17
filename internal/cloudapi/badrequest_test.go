package cloudapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/propusktest"
)

// TestBadBodies sends what is no good request of JSON: the right code, and the
// field or the fault by name.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := func(rest string) string { return `{"folderId":"` + w.home.FolderID + `",` + rest + `}` }
	const accounts = "/iam/v1/serviceAccounts"
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for _, c := range []struct {
		what, path, body, field, text string
	}{
		{"nothing", accounts, "", "folder_id", "must be set"},
		{"an empty object", accounts, "{}", "folder_id", "must be set"},
		{"half an object", accounts, `{"folderId":`, "", "ends too early"},
		{"no JSON", accounts, `hello`, "", "one JSON object"},
		{"a list", accounts, `[]`, "", "one JSON object"},
		{"null", accounts, `null`, "", "one JSON object"},
		{"two objects", accounts, `{}{}`, "", "behind its JSON object"},
		{"a comment", accounts, `{/* x */}`, "", "not JSON"},
		{"a form", accounts, `folderId=x&name=y`, "", "one JSON object"},
		{"unknown field", accounts, account(`"nonsense":1`), "nonsense", "unknown field"},
		{"unknown field below", accounts, account(`"expiresAt":{"x":1}`), "expires_at", ""},
		{"field twice", accounts, account(`"name":"a","name":"b"`), "name", "twice"},
		{"field twice in two spellings", accounts, account(`"folder_id":"x"`), "folder_id", "twice"},
		{"label twice", accounts, account(`"name":"a","labels":{"x":"1","x":"2"}`), `labels["x"]`, "twice"},
		{"number for a text", accounts, account(`"name":7`), "name", ""},
		{"object for a text", accounts, account(`"name":{}`), "name", ""},
		{"text for a map", accounts, account(`"labels":"x"`), "labels", ""},
		{"NaN", accounts, account(`"name":NaN`), "", "not JSON"},
		{"huge number", accounts, account(`"expiresAt":1e400`), "expires_at", ""},
		{"huge label number", accounts, account(`"labels":{"x":1e999999999}`), `labels["x"]`, ""},
		{"time that is none", accounts, account(`"expiresAt":"tomorrow"`), "expires_at", ""},
		{"time out of range", accounts, account(`"expiresAt":"9999-12-31T23:59:59Z"`), "expires_at", ""},
		{"time before the epoch", accounts, account(`"expiresAt":"1969-01-01T00:00:00Z"`), "expires_at", ""},
		{"deep nesting", accounts, account(`"x":` + deep), "", "nested deeper"},
		{"deep nesting of objects", accounts, strings.Repeat(`{"labels":`, 50_000), "", "nested deeper"},
		{"invalid UTF-8", accounts, account("\"name\":\"\xff\xfe\""), "", "UTF-8"},
		{"half a surrogate", accounts, account(`"name":"\ud800"`), "name", ""},
		{"NUL", accounts, account(`"name":"a","description":"\u0000"`), "description", "NUL"},
		{"mask that is none", "PATCH " + accounts + "/" + w.home.ServiceAccountID, `{"updateMask":["name"]}`, "update_mask", ""},
		{"mask with an unknown field", "PATCH " + accounts + "/" + w.home.ServiceAccountID, `{"updateMask":"nonsense"}`, "update_mask", "nonsense"},
		{"another id than in the path", "PATCH " + accounts + "/" + w.home.ServiceAccountID, `{"serviceAccountId":"x"}`, "service_account_id", "path"},
		{"enum that is none", "/iam/v1/keys", `{"serviceAccountId":"` + w.home.ServiceAccountID + `","keyAlgorithm":"RSA_1"}`, "key_algorithm", ""},
		{"enum number that is none", "/iam/v1/keys", `{"serviceAccountId":"` + w.home.ServiceAccountID + `","keyAlgorithm":77}`, "key_algorithm", ""},
		{"neither of a oneof", "/iam/v1/tokens", `{}`, "identity", "One of the options"},
		{"both of a oneof", "/iam/v1/tokens", `{"jwt":"a","yandexPassportOauthToken":"b"}`, "", "together with"},
		{"a delta without action", "/resource-manager/v1/folders/" + w.home.FolderID + ":updateAccessBindings", `{"accessBindingDeltas":[{}]}`, "access_binding_deltas[0].action", ""},
		{"null in a list", "/resource-manager/v1/folders/" + w.home.FolderID + ":updateAccessBindings", `{"accessBindingDeltas":[null]}`, "access_binding_deltas[0]", ""},
		{"a body where none belongs", "DELETE " + accounts + "/" + w.home.ServiceAccountID, `{"x":1}`, "", "no body"},
	} {
		verb, path, found := strings.Cut(c.path, " ")
		if !found {
			verb, path = "POST", c.path
		}
		r := w.Do(t, verb, w.owner.token, path, c.body, "Content-Type", "application/json")
		a := w.failure(t, c.what, r)
		if a.code != codes.InvalidArgument || !strings.Contains(a.message, c.text) || c.field != "" && !slices.Contains(a.fields(), c.field) {
			t.Errorf("%s: %v %q about %q, want INVALID_ARGUMENT with %q about %q", c.what, a.code, a.message, a.fields(), c.text, c.field)
		}
		if len(r.Body) > 8<<10 {
			t.Errorf("%s: an answer of %d bytes", c.what, len(r.Body))
		}
	}
	for i, kind := range []string{"", "application/x-www-form-urlencoded", "Application/json", "text/plain", "multipart/form-data", "nonsense"} {
		r := w.Do(t, "POST", w.owner.token, accounts, account(fmt.Sprintf(`"name":"by-type-%d"`, i)), "Content-Type", kind)
		if r.Code != 200 {
			t.Errorf("Content-Type %q: %d %s", kind, r.Code, r.Body)
		}
	}
	for _, body := range []string{account(`"name":"with-null","description":null,"labels":null`), "\xef\xbb\xbf" + account(`"name":"with-mark"`), " \n" + account(`"name":"with-blanks"`) + "\n"} {
		if r := w.Do(t, "POST", w.owner.token, accounts, body); r.Code != 200 {
			t.Errorf("%.20q…: %d %s", body, r.Code, r.Body)
		}
	}
}

func TestBadPathsAndQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const accounts = "/iam/v1/serviceAccounts"
	list := accounts + "?folderId=" + w.home.FolderID
	for _, c := range []struct {
		request string
		http    int
		code    codes.Code
		text    string
	}{
		{"GET /nothing", 404, codes.NotFound, "nothing at this path"},
		{"GET /", 404, codes.NotFound, "nothing at this path"},
		{"GET " + accounts + "/", 404, codes.NotFound, ""},
		{"GET /" + accounts, 404, codes.NotFound, ""},
		{"GET " + accounts + "/a/b/c", 404, codes.NotFound, ""},
		{"GET " + accounts + "/%00", 0, 0, ""},
		{"GET " + accounts + "/%ff", 400, codes.InvalidArgument, ""},
		{"GET " + accounts + "/a%2Fb", 400, codes.InvalidArgument, "encoded slash"},
		{"GET " + accounts + "/..%2f..%2fsecret", 400, codes.InvalidArgument, "encoded slash"},
		{"POST " + accounts + "/x:nonsense", 404, codes.NotFound, "no such action"},
		{"PUT " + accounts, 405, codes.Unimplemented, "GET"},
		{"DELETE " + accounts, 405, codes.Unimplemented, "GET"},
		{"GET " + list + "&nonsense=1", 400, codes.InvalidArgument, "nonsense"},
		{"GET " + list + "&pageSize=many", 400, codes.InvalidArgument, "page_size"},
		{"GET " + list + "&pageSize=1.5", 400, codes.InvalidArgument, "page_size"},
		{"GET " + list + "&pageSize=99999999999999999999", 400, codes.InvalidArgument, "page_size"},
		{"GET " + list + "&pageSize=1001", 400, codes.InvalidArgument, "page_size"},
		{"GET " + list + "&pageSize=-1", 400, codes.InvalidArgument, "page_size"},
		{"GET " + list + "&pageSize=1&pageSize=2", 400, codes.InvalidArgument, "page_size"},
		{"GET " + list + "&page_size=1&pageSize=2", 400, codes.InvalidArgument, "page_size"},
		{"GET " + list + "&pageToken=%FF", 400, codes.InvalidArgument, "page_token"},
		{"GET " + list + "&filter=%zz", 400, codes.InvalidArgument, ""},
		{"GET " + accounts, 400, codes.InvalidArgument, "folder_id"},
		{"GET " + list + "&pageSize=5", 200, 0, ""}, {"GET " + list + "&page_size=5", 200, 0, ""}, {"GET " + list + "&pageSize=0", 200, 0, ""},
		{"GET " + accounts + "?folder_id=" + w.home.FolderID + "&filter=name%3D%22owner%22", 200, 0, ""},
		{"POST /operations/x:cancel", 404, codes.NotFound, "Operation x not found"}, {"GET /operations/x:cancel", 404, codes.NotFound, "Operation x not found"},
	} {
		verb, path, _ := strings.Cut(c.request, " ")
		r := w.Do(t, verb, w.owner.token, path, nil)
		if r.Code == 200 && c.http == 200 {
			continue
		}
		a := w.failure(t, c.request, r)
		if c.http != 0 && (r.Code != c.http || a.code != c.code || !strings.Contains(a.message, c.text)) {
			t.Errorf("%s: %d %v %q, want %d %v with %q", c.request, r.Code, a.code, a.message, c.http, c.code, c.text)
		}
		if r.Code == 405 && r.Header.Get("Allow") == "" {
			t.Errorf("%s: 405 without Allow", c.request)
		}
	}
	if r := w.Do(t, "GET", w.owner.token, list, `{"ignored":true}`); r.Code != 200 {
		t.Errorf("the body of a GET is not passed over: %d %s", r.Code, r.Body)
	}
	r := w.Do(t, "POST", w.owner.token, "/resource-manager/v1/folders", map[string]string{"cloudId": w.home.CloudID, "name": "never"}, "Idempotency-Key", "two words")
	if a := w.failure(t, "idempotency key", r); a.code != codes.InvalidArgument || !slices.Contains(a.fields(), "idempotency-key") {
		t.Errorf("idempotency key of two words: %v %s", a.code, a.message)
	}
}

const mebibyte = 1 << 20

func TestLargeBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := func(size int) string {
		head, tail := `{"folderId":"`+w.home.FolderID+`","name":"a"`, `}`
		return head + strings.Repeat(" ", size-len(head)-len(tail)) + tail
	}
	const accounts = "/iam/v1/serviceAccounts"
	if r := w.Do(t, "POST", w.owner.token, accounts, body(mebibyte)); r.Code != 200 {
		t.Errorf("1 MiB: %d %s", r.Code, r.Body)
	}
	r := w.Do(t, "POST", w.owner.token, accounts, body(mebibyte+1))
	if a := w.failure(t, "1 MiB + 1", r); r.Code != http.StatusRequestEntityTooLarge || !strings.Contains(a.message, "1 MiB") {
		t.Errorf("1 MiB + 1: %d %s", r.Code, a.message)
	}
	// A body without end is cut off at its limit, and the answer comes.
	endless, ctx := io.Reader(forever{}), t.Context()
	req, err := http.NewRequestWithContext(ctx, "POST", w.HTTPURL+accounts, endless)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.owner.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	w.failure(t, "endless", &propusktest.Response{Code: res.StatusCode, Header: res.Header, Body: text})
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body without end: %d %s", res.StatusCode, text)
	}
	if r := w.Do(t, "POST", w.owner.token, accounts, body(200), "Content-Encoding", "gzip"); r.Code != 400 || !strings.Contains(string(r.Body), "Content-Encoding") {
		t.Errorf("gzip: %d %s", r.Code, r.Body)
	}
	// Announced and not sent.
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.HTTPURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{}", accounts, w.owner.token)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	short, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if short.StatusCode != 400 && short.StatusCode != 499 { // to the server, a client that has closed may be gone
		t.Errorf("a body shorter than announced: %s", short.Status)
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// raw is a message that goes out as it is.
type raw []byte

type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) {
	return v.(raw), nil
}
func (rawCodec) Unmarshal([]byte, any) error { return errors.New("an answer was not expected") }

// TestBadMessages sends gRPC messages that are not what they should be.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := func(name string) []byte {
		b, err := proto.Marshal(&iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "ok"})
		if err != nil {
			t.Fatal(err)
		}
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		return protowire.AppendString(b, name)
	}
	for what, c := range map[string]struct {
		message []byte
		code    codes.Code
		text    string
	}{
		"garbage":          {[]byte("\xff\xff\xff\xff"), codes.InvalidArgument, "not a CreateServiceAccountRequest"},
		"truncated":        {create("abc")[:10], codes.InvalidArgument, "not a CreateServiceAccountRequest"},
		"wrong wire type":  {protowire.AppendFixed64(protowire.AppendTag(nil, 2, protowire.Fixed64Type), 7), codes.InvalidArgument, "must be set"},
		"invalid UTF-8":    {create("\xff\xfe"), codes.InvalidArgument, "UTF-8"},
		"NUL":              {create("a\x00b"), codes.InvalidArgument, "name"},
		"endless groups":   {[]byte(strings.Repeat("\x0b", 100_000)), codes.InvalidArgument, "not a CreateServiceAccountRequest"},
		"an empty message": {nil, codes.InvalidArgument, "folder_id"},
	} {
		var trailer metadata.MD
		err := w.owner.conn.Invoke(t.Context(), fullMethod("sa.Create"), raw(c.message), new(raw), grpc.ForceCodec(rawCodec{}), grpc.Trailer(&trailer))
		s := status.Convert(err)
		if s.Code() != c.code || !strings.Contains(s.Message(), c.text) {
			t.Errorf("%s: %v %q, want %v with %q", what, s.Code(), s.Message(), c.code, c.text)
		}
		if len(trailer["x-request-id"]) != 1 {
			t.Errorf("%s: trailer %v", what, trailer)
			continue
		}
		answer{code: s.Code(), message: s.Message(), details: s.Details(), requestID: trailer["x-request-id"][0]}.check(t, w, what)
		err = w.withToken(t, "").conn.Invoke(t.Context(), fullMethod("sa.Create"), raw(c.message), new(raw), grpc.ForceCodec(rawCodec{}))
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s by nobody: %v, want UNAUTHENTICATED first", what, err)
		}
	}
	// What the API may grow by later is passed over.
	future := protowire.AppendString(protowire.AppendTag(create("future"), 999, protowire.BytesType), "x")
	if err := w.owner.conn.Invoke(t.Context(), fullMethod("sa.Create"), raw(future), new(raw), grpc.ForceCodec(rawCodec{})); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "an answer was not expected") {
		t.Errorf("unknown field in protobuf: %v", err)
	}
	large := &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: strings.Repeat("x", 5<<20)}}
	err := w.owner.conn.Invoke(t.Context(), fullMethod("token.Create"), large, new(iampb.CreateIamTokenResponse))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("5 MiB: %v", err)
	}
	// A client that has gone away, and one that gave it no time.
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	err = w.owner.conn.Invoke(ctx, fullMethod("sa.Get"), &iampb.GetServiceAccountRequest{ServiceAccountId: "x"}, new(iampb.ServiceAccount))
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("no time: %v", err)
	}
}
