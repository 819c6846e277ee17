package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456000, time.UTC)

func tokenEvent() *audit.Event {
	return &audit.Event{
		ID: "aje0000000000000event", Source: "iam", Type: audit.TypeOf("iam.CreateIamToken"), Time: noon,
		Authentication: audit.Authentication{
			Authenticated: true, SubjectType: audit.ServiceAccount, SubjectID: "aje00000000000account", SubjectName: "robot",
			Proof: audit.Proof{CredentialType: "jwt", CredentialID: "aje0000000000000000key", JWTDigest: strings.Repeat("ab", 32)},
		},
		Authorization: audit.Authorization{Authorized: true},
		Resource: audit.Resource{Path: []audit.Place{
			{Type: "organization-manager.organization", ID: "bpf00000000000000org"},
			{Type: "resource-manager.cloud", ID: "b1g0000000000000cloud"},
			{Type: "resource-manager.folder", ID: "b1g000000000000folder"},
		}},
		Request: audit.Request{RemoteAddress: "192.0.2.7", UserAgent: "yandex-cloud/go-sdk-v2/2.31.0 grpc-go/1.85.0", ID: "9b2c1b1e-3a4d-4a57-9d5e-3c9c7b1f0a11"},
		Status:  audit.Done,
		Details: audit.Details{audit.Text("iam_token_id", "aje00000000000000token"), audit.Time("expires_at", noon.Add(12*time.Hour))},
	}
}

func TestLine(t *testing.T) {
	e := tokenEvent()
	e.Authentication.Token = audit.Token{ID: "aje0000000000000parent", Masked: audit.MaskToken("t1." + strings.Repeat("9euelZqc", 40)), ImpersonatorID: "aje1", ImpersonatorType: audit.UserAccount}
	e.Authorization.Permissions = []audit.Permission{{Permission: "iam.serviceAccounts.get", ResourceType: "iam.serviceAccount", ResourceID: "aje2"}}
	e.Error = audit.FailureOf(iam.Wrap(errors.New("the hidden cause"), iam.PermissionDenied, "Permission denied"))
	e.Details = audit.Details{
		audit.Text("role_id", "viewer"), audit.Text("nothing", ""), audit.Object("empty", audit.Text("nothing", "")),
		{Name: "access_binding_deltas", Items: []audit.Detail{audit.Object("", audit.Text("action", "ADD"), audit.Object("access_binding", audit.Text("role_id", "editor")))}},
		audit.Texts("ids", "a", "", "b"),
	}
	want := `{"event_id":"aje0000000000000event","event_source":"iam","event_type":"yandex.cloud.audit.iam.CreateIamToken","event_time":"2026-03-04T12:00:00.123456Z",` +
		`"authentication":{"authenticated":true,"subject_type":"SERVICE_ACCOUNT","subject_id":"aje00000000000account","subject_name":"robot",` +
		`"token_info":{"iam_token_id":"aje0000000000000parent","masked_iam_token":"t1.9euelZqc9euelZqc********","impersonator_id":"aje1","impersonator_type":"YANDEX_PASSPORT_USER_ACCOUNT"},` +
		`"proof":{"credential_type":"jwt","credential_id":"aje0000000000000000key","jwt_digest":"` + strings.Repeat("ab", 32) + `"}},` +
		`"authorization":{"authorized":true,"permissions":[{"permission":"iam.serviceAccounts.get","resource_type":"iam.serviceAccount","resource_id":"aje2"}]},` +
		`"resource_metadata":{"path":[{"resource_type":"organization-manager.organization","resource_id":"bpf00000000000000org"},{"resource_type":"resource-manager.cloud","resource_id":"b1g0000000000000cloud"},{"resource_type":"resource-manager.folder","resource_id":"b1g000000000000folder"}]},` +
		`"request_metadata":{"remote_address":"192.0.2.7","user_agent":"yandex-cloud/go-sdk-v2/2.31.0 grpc-go/1.85.0","request_id":"9b2c1b1e-3a4d-4a57-9d5e-3c9c7b1f0a11"},` +
		`"event_status":"DONE","error":{"code":7,"message":"Permission denied"},` +
		`"details":{"role_id":"viewer","access_binding_deltas":[{"action":"ADD","access_binding":{"role_id":"editor"}}],"ids":["a","","b"]}}`
	line := e.AppendJSON(nil)
	if diff := cmp.Diff(want, string(line)); diff != "" {
		t.Fatalf("line (-want +got):\n%s", diff)
	}
	back, err := audit.Decode(line)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.AppendJSON(nil); string(got) != want {
		t.Errorf("read back and written again: %s", got)
	}
	if got := back.Details.Get("role_id"); got != "viewer" {
		t.Errorf("Get(role_id) = %q", got)
	}
}

func TestEmptyEventIsALine(t *testing.T) {
	want := `{"event_id":"","event_time":"0001-01-01T00:00:00.000000Z","authentication":{"authenticated":false},"authorization":{"authorized":false}}`
	if got := string((&audit.Event{}).AppendJSON(nil)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestTextsAreCutAndMadeSafe(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	token := "t1." + strings.Repeat("9euelZqc", 40) + "." + strings.Repeat("A", 86)
	for name, c := range map[string]struct{ in, want string }{
		"quote and line ends": {"a\"b\\c\r\n\t", `"a\"b\\c\u000d\u000a\u0009"`},
		"terminal control":    {"\x1b[2J\u009b31m\u202e", `"\u001b[2J\u009b31m\u202e"`},
		"not UTF-8":           {"a\xff\xc3(b", `"a��(b"`},
		"printable":           {"Пропуск 通 🚪", `"Пропуск 通 🚪"`},
		"unassigned, astral":  {"\U000e0001", `"\udb40\udc01"`},
		"10 kB":               {long, `"` + long[:509] + `…"`},
		"cut between runes":   {strings.Repeat("ж", 300), `"` + strings.Repeat("ж", 254) + `…"`},
		"just fits":           {long[:512], `"` + long[:512] + `"`},
		"IAM token":           {"curl " + token + " x", `"curl t1.9euelZqc9euel******** x"`},
		"token in a long text": {
			long[:400] + token, `"` + long[:400] + `t1.9euelZqc9euel********"`,
		},
		"JWT":         {"eyJhbGciOiJQUzI1NiJ9." + strings.Repeat("a", 300) + "." + strings.Repeat("b", 300), `"eyJhbGciOiJQUzI1********"`},
		"OAuth token": {"y0_" + strings.Repeat("Z", 55), `"y0_ZZZZZZZZZZZ********"`},
		"API key":     {"AQVN" + strings.Repeat("q", 36), `"AQVNqqqqq********"`},
	} {
		t.Run(name, func(t *testing.T) {
			e := audit.Event{Request: audit.Request{UserAgent: c.in}}
			line := e.AppendJSON(nil)
			if !strings.Contains(string(line), `{"user_agent":`+c.want+`}`) {
				t.Errorf("got  %s\nwant %s", line, c.want)
			}
			if _, err := audit.Decode(line); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMaskToken(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"short":                    "********",
		strings.Repeat("s", 75):    "********",
		strings.Repeat("abcd", 50): "abcdabcdabcdabcdabc********",
	} {
		if got := audit.MaskToken(in).String(); got != want {
			t.Errorf("MaskToken(%q) = %q, want %q", in, got, want)
		}
	}
	var m audit.Masked
	if err := m.UnmarshalText([]byte("t1." + strings.Repeat("a", 300))); err != nil || strings.Contains(m.String(), "aaaaaaaaaaaaaaaaaaaa") {
		t.Errorf("an unmasked token was read as %q, %v", m, err)
	}
}

func TestManyDetailsAreBounded(t *testing.T) {
	deltas := audit.Detail{Name: "access_binding_deltas"}
	for i := range 1000 { // the most that one request may hold
		deltas.Items = append(deltas.Items, audit.Object("", audit.Text("action", "REMOVE"),
			audit.Object("access_binding", audit.Text("role_id", fmt.Sprintf("%064d", i)), audit.Text("subject_id", fmt.Sprintf("%0100d", i)), audit.Text("subject_type", "serviceAccount"))))
	}
	e := audit.Event{Details: audit.Details{deltas}}
	if line := string(e.AppendJSON(nil)); strings.Count(line, "role_id") != 1000 || strings.Contains(line, "truncated") {
		t.Errorf("%d of 1000 deltas in %d bytes", strings.Count(line, "role_id"), len(line))
	}
	for range 12 {
		e.Details = append(e.Details, deltas)
	}
	line := e.AppendJSON(nil)
	if len(line) > audit.MaxEventSize || !strings.HasSuffix(string(line), `,"truncated":"true"}}`) {
		t.Errorf("%d bytes, ending in %s", len(line), line[len(line)-40:])
	}
	if _, err := audit.Decode(line); err != nil {
		t.Error(err)
	}
	deep := audit.Text("leaf", "x")
	for range 50 {
		deep = audit.Object("node", deep)
	}
	e.Details = audit.Details{deep, audit.Text("beside", "y")}
	if line := string(e.AppendJSON(nil)); !strings.HasSuffix(line, `"details":{"beside":"y"}}`) {
		t.Errorf("deep details: %s", line)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(tokenEvent().AppendJSON(nil))
	for name, line := range map[string]string{
		"nothing":         "",
		"two values":      good + good,
		"trailing space":  good + " ",
		"unknown field":   strings.Replace(good, `"event_source"`, `"event_sauce"`, 1),
		"field twice":     strings.Replace(good, `,"event_status"`, `,"event_status":"DONE","event_status"`, 1),
		"other order":     strings.Replace(good, `"event_source":"iam",`, ``, 1) + `,"event_source":"iam"`,
		"other spelling":  strings.Replace(good, `"DONE"`, `"\u0044ONE"`, 1),
		"number in place": strings.Replace(good, `"iam_token_id":"aje00000000000000token"`, `"iam_token_id":7`, 1),
		"deep details":    `{"details":` + strings.Repeat(`{"a":`, 5000) + `"x"` + strings.Repeat(`}`, 5001),
		"null":            `null`,
	} {
		if e, err := audit.Decode([]byte(line)); err == nil {
			t.Errorf("%s: decoded to %+v", name, e)
		}
	}
}

func TestSubjectTypes(t *testing.T) {
	for in, want := range map[iam.SubjectType]audit.SubjectType{
		iam.TypeUserAccount: "YANDEX_PASSPORT_USER_ACCOUNT", iam.TypeServiceAccount: "SERVICE_ACCOUNT",
		iam.TypeFederatedUser: "FEDERATED_USER_ACCOUNT", iam.TypeGroup: "", iam.TypeSystem: "",
	} {
		if got := audit.SubjectTypeOf(in); got != want {
			t.Errorf("%s is spelled %q, want %q", in, got, want)
		}
	}
}

// Whatever texts an event holds, it is one valid line of bounded size, and
// reading it back and writing it again gives the same bytes.
func FuzzEventLine(f *testing.F) {
	f.Add("curl/8.0", "x\"\n\r\\", "\xff\xfe", strings.Repeat("é", 5000), uint32(7), int64(0))
	f.Add("\u2028\u2029\x00\x7f", "t1."+strings.Repeat("a", 400), "🚪", "y0_"+strings.Repeat("b", 60), uint32(0), int64(1<<62))
	f.Add("", "", "", "eyJ"+strings.Repeat("c", 5000), uint32(16), int64(-1<<62))
	f.Fuzz(func(t *testing.T, a, b, c, d string, code uint32, seconds int64) {
		e := &audit.Event{
			ID: a, Source: b, Type: c, Time: time.Unix(seconds%1e12, seconds%1e9), Status: audit.Status(d),
			Authentication: audit.Authentication{SubjectID: a, SubjectName: b, SubjectType: audit.SubjectType(c),
				Token: audit.Token{ID: d, Masked: audit.MaskToken(a), ImpersonatorName: b},
				Proof: audit.Proof{CredentialID: a, CredentialType: b, JWTDigest: c, JWTID: d}},
			Authorization: audit.Authorization{Permissions: []audit.Permission{{Permission: a}, {}, {ResourceID: d}}},
			Resource:      audit.Resource{Path: []audit.Place{{Name: b}, {}, {Type: c, ID: d}}},
			Request:       audit.Request{RemoteAddress: c, UserAgent: d, ID: a},
			Error:         audit.Failure{Code: code, Message: d},
			Details:       audit.Details{audit.Text(a, b), audit.Texts(c, a, b, c, d), audit.Object(d, audit.Text(b, a), audit.Object(a, audit.Texts(b, c)))},
		}
		for range int(code % 40) {
			e.Details = append(e.Details, audit.Texts(c, d, d, d), audit.Object(b, audit.Text(a, d)))
			e.Resource.Path = append(e.Resource.Path, audit.Place{Name: d})
		}
		line := e.AppendJSON(nil)
		if !json.Valid(line) || !utf8.Valid(line) || strings.ContainsAny(string(line), "\n\r\x1b") || len(line) > audit.MaxEventSize {
			t.Fatalf("not a line: %q", line)
		}
		if _, err := audit.Decode(line); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
	})
}

// What Decode accepts has one spelling.
func FuzzDecode(f *testing.F) {
	f.Add(tokenEvent().AppendJSON(nil))
	f.Add((&audit.Event{}).AppendJSON(nil))
	f.Add([]byte(`{"event_id":"a","details":{"a":["b",{"c":"d"}]}}`))
	f.Add([]byte(`{"event_id":"a","authentication":{"token_info":{"masked_iam_token":"t1.x"}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := audit.Decode(line)
		if err != nil {
			return
		}
		if again := e.AppendJSON(nil); string(again) != string(line) {
			t.Fatalf("two spellings:\n%s\n%s", line, again)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	e := tokenEvent()
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
	b.ReportMetric(float64(len(buf)), "bytes/line")
}
