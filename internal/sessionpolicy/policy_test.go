package sessionpolicy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/sessionpolicy"
)

func parse(t testing.TB, text string) *sessionpolicy.Policy {
	t.Helper()
	p, err := sessionpolicy.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

const (
	readOne = `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/2026/*"}`
	denyOne = `{"Sid":"no","Effect":"Deny","Action":["s3:*"],"Resource":["arn:aws:s3:::photos/2026/secret*"]}`
)

func TestAllows(t *testing.T) {
	of := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	all := func(actions, resources string) string {
		return of(`{"Effect":"Allow","Action":` + actions + `,"Resource":` + resources + `}`)
	}
	for _, c := range []struct {
		what, policy, action, resource string
		ok                             bool
	}{
		{"named", of(readOne), "s3:GetObject", "arn:aws:s3:::photos/2026/a/b.jpg", true},
		{"nothing for *", of(readOne), "s3:GetObject", "arn:aws:s3:::photos/2026/", true},
		{"another prefix", of(readOne), "s3:GetObject", "arn:aws:s3:::photos/2025/a", false},
		{"another case of the key", of(readOne), "s3:GetObject", "arn:aws:s3:::Photos/2026/a", false},
		{"another action", of(readOne), "s3:PutObject", "arn:aws:s3:::photos/2026/a", false},
		{"an action that begins so", of(readOne), "s3:GetObjectAcl", "arn:aws:s3:::photos/2026/a", false},
		{"an action in another case", of(readOne), "S3:getobject", "arn:aws:s3:::photos/2026/a", true},
		{"one object", `{"Statement":` + readOne + `}`, "s3:GetObject", "arn:aws:s3:::photos/2026/a", true},
		{"denied after allowed", of(readOne, denyOne), "s3:GetObject", "arn:aws:s3:::photos/2026/secret", false},
		{"denied before allowed", of(denyOne, readOne), "s3:GetObject", "arn:aws:s3:::photos/2026/secret/x", false},
		{"denied beside it", of(denyOne, readOne), "s3:GetObject", "arn:aws:s3:::photos/2026/public", true},
		{"denied alone", of(denyOne), "s3:GetObject", "arn:aws:s3:::photos/2026/public", false},
		{"no statement", `{}`, "s3:GetObject", "arn:aws:s3:::photos/a", false},
		{"an empty list", `{"Version":"2012-10-17","Statement":[]}`, "s3:GetObject", "arn:aws:s3:::photos/a", false},
		{"everything", all(`"*"`, `"*"`), "s3:DeleteBucket", "arn:aws:s3:::photos", true},
		{"all of s3", all(`"s3:*"`, `["arn:aws:s3:::*"]`), "s3:ListAllMyBuckets", "arn:aws:s3:::*", true},
		{"a bucket is not its objects", all(`"*"`, `"arn:aws:s3:::photos"`), "s3:GetObject", "arn:aws:s3:::photos/a", false},
		{"objects are not their bucket", all(`"*"`, `"arn:aws:s3:::photos/*"`), "s3:ListBucket", "arn:aws:s3:::photos", false},
		{"several actions", all(`["s3:Get*","s3:List*"]`, `"*"`), "s3:ListBucket", "arn:aws:s3:::photos", true},
		{"? is one character", all(`"s3:?etObject"`, `"arn:aws:s3:::photos/?"`), "s3:GetObject", "arn:aws:s3:::photos/ж", true},
		{"? is not two", all(`"*"`, `"arn:aws:s3:::photos/?"`), "s3:GetObject", "arn:aws:s3:::photos/ab", false},
		{"? is not none", all(`"*"`, `"arn:aws:s3:::photos/?"`), "s3:GetObject", "arn:aws:s3:::photos/", false},
		{"runs of *", all(`"s3:**Object"`, `"arn:aws:s3:::***b***"`), "s3:GetObject", "arn:aws:s3:::a/b/c", true},
		{"escapes in JSON", all(`"s3:\u0047etObject"`, `"arn:aws:s3:::\u0431/*"`), "s3:GetObject", "arn:aws:s3:::б/a", true},
		{"brackets are themselves", all(`"*"`, `"arn:aws:s3:::photos/[ab]\\*"`), "s3:GetObject", `arn:aws:s3:::photos/a\x`, false},
	} {
		ok, why := parse(t, c.policy).Allows(c.action, c.resource)
		if ok != c.ok {
			t.Errorf("%s: %t (%s), want %t", c.what, ok, why, c.ok)
		}
		if (why == "") != ok {
			t.Errorf("%s: %t, because %q", c.what, ok, why)
		}
	}
}

func TestReasons(t *testing.T) {
	p := parse(t, `{"Statement":[`+readOne+`,`+denyOne+`]}`)
	for resource, want := range map[string]string{
		"arn:aws:s3:::photos/2026/secret": "Statement 2 of the key's session policy denies s3:GetObject on arn:aws:s3:::photos/2026/secret",
		"arn:aws:s3:::photos/2025/a":      "The key's session policy does not allow s3:GetObject on arn:aws:s3:::photos/2025/a",
	} {
		if _, why := p.Allows("s3:GetObject", resource); why != want {
			t.Errorf("%s: %q, want %q", resource, why, want)
		}
	}
}

func TestRefused(t *testing.T) {
	with := func(member string) string { return `{"Statement":[` + readOne[:len(readOne)-1] + `,` + member + `}]}` }
	allow := func(action, resource string) string {
		return `{"Statement":{"Effect":"Allow","Action":` + action + `,"Resource":` + resource + `}}`
	}
	const good = `"arn:aws:s3:::a/*"`
	for _, c := range []struct{ what, policy, says string }{
		{"too long", `{"Id":"` + strings.Repeat("ж", 2041) + `"}`, "has 2050 characters, at most 2048"},
		{"nothing", ``, "is not JSON"},
		{"blank", ` `, "is not JSON"},
		{"cut off", `{"Statement":[`, "is not JSON"},
		{"two texts", `{}{}`, "is not JSON"},
		{"a comma too many", `{"Version":"2012-10-17",}`, "is not JSON"},
		{"a byte order mark", "\ufeff{}", "is not JSON"},
		{"not UTF-8", "{\"Id\":\"\xff\"}", "is not UTF-8"},
		{"a list", `[]`, "the policy is not a JSON object"},
		{"a text", `"x"`, "the policy is not a JSON object"},
		{"deep", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "the policy is not a JSON object"},
		{"deep inside", `{"Statement":` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `}`, "Statement[0] is not an object"},
		{"an old version", `{"Version":"2008-10-17"}`, `Version is "2008-10-17", "2012-10-17" is expected`},
		{"a version that is a number", `{"Version":20121017}`, "Version is not a text"},
		{"twice at the top", `{"Statement":[],"Statement":[` + readOne + `]}`, `the policy has "Statement" twice`},
		{"twice, escaped", `{"Statement":[],"\u0053tatement":[]}`, `the policy has "Statement" twice`},
		{"twice in a statement", with(`"Effect":"Deny"`), `Statement[0] has "Effect" twice`},
		{"in another case", `{"statement":[]}`, `"statement" in the policy is not understood, and passing over it would grant more than was asked`},
		{"unknown at the top", `{"Comment":"x"}`, `"Comment" in the policy is not understood`},
		{"a condition", with(`"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`), `"Condition" in Statement[0] is not understood, and passing over it would grant more than was asked`},
		{"NotAction", with(`"NotAction":"s3:DeleteObject"`), `"NotAction" in Statement[0] is not understood`},
		{"NotResource", with(`"NotResource":` + good), `"NotResource" in Statement[0] is not understood`},
		{"NotPrincipal", with(`"NotPrincipal":"*"`), `"NotPrincipal" in Statement[0] is not understood`},
		{"a long unknown name", with(`"` + strings.Repeat("x", 500) + `":1`), `"` + strings.Repeat("x", 64) + `…" in Statement[0]`},
		{"null", `{"Statement":null}`, "Statement is neither an object nor a list"},
		{"a list of texts", `{"Statement":["x"]}`, "Statement[0] is not an object"},
		{"a later statement", `{"Statement":[` + readOne + `,{"Effect":"Allow"}]}`, "Statement[1] has no Action"},
		{"no effect", `{"Statement":{"Action":"*","Resource":"*"}}`, "Statement has no Effect"},
		{"no resource", `{"Statement":{"Effect":"Deny","Action":"*"}}`, "Statement has no Resource"},
		{"an empty statement", `{"Statement":[{}]}`, "Statement[0] has no Effect"},
		{"effect in lower case", `{"Statement":{"Effect":"deny"}}`, `Statement.Effect is "deny", Allow or Deny is expected`},
		{"an empty effect", `{"Statement":{"Effect":""}}`, `Statement.Effect is "", Allow or Deny is expected`},
		{"somebody", `{"Statement":{"Principal":"ajesomebody"}}`, `Statement.Principal is not "*"`},
		{"an AWS principal", `{"Statement":{"Principal":{"AWS":"*"}}}`, `Statement.Principal is not "*"`},
		{"a list of principals", `{"Statement":{"Principal":["*"]}}`, `Statement.Principal is not "*"`},
		{"a Sid that is a number", `{"Statement":{"Sid":1}}`, "Statement.Sid is not a text"},
		{"no actions", allow(`[]`, good), "Statement.Action is empty"},
		{"no resources", allow(`"*"`, `[]`), "Statement.Resource is empty"},
		{"an action that is a number", allow(`1`, good), "Statement.Action is neither a text nor a list of texts"},
		{"a number among actions", allow(`["s3:*",1]`, good), "Statement.Action[1] is not a text"},
		{"an action of another service", allow(`"sqs:SendMessage"`, good), `Statement.Action has "sqs:SendMessage", "*" or an action that begins with "s3:" is expected`},
		{"an action of any service", allow(`"*:GetObject"`, good), "Statement.Action has"},
		{"an action without a name", allow(`"s3:"`, good), "Statement.Action has"},
		{"an action in letters that look so", allow(`"s3:GetBuc\u212aetAcl"`, good), "an action's name is of the letters A to Z"},
		{"an action with a space", allow(`"s3:GetObject "`, good), "an action's name is of the letters A to Z"},
		{"another partition", allow(`"*"`, `"arn:aws-cn:s3:::a"`), `"*" or a resource that begins with "arn:aws:s3:::" is expected`},
		{"an account", allow(`"*"`, `"arn:aws:s3::1:a"`), "a resource that begins with"},
		{"any partition", allow(`"*"`, `"arn:*:s3:::a"`), "a resource that begins with"},
		{"no bucket", allow(`"*"`, `"arn:aws:s3:::"`), "a resource that begins with"},
		{"a bucket's name alone", allow(`"*"`, `"a/*"`), "a resource that begins with"},
		{"a variable", allow(`"*"`, `["arn:aws:s3:::home/${aws:username}/*"]`), "there are no variables here"},
		{"half a character", allow(`"*"`, `"arn:aws:s3:::a/\ud800"`), "no character of Unicode"},
	} {
		_, err := sessionpolicy.Parse(c.policy)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.what, err, c.says)
			continue
		}
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.InvalidArgument || len(e.Fields) != 1 || e.Fields[0].Field != "policy" {
			t.Errorf("%s: %#v is not INVALID_ARGUMENT about policy", c.what, err)
		}
	}
}

// The longest policy that is allowed is read, counted in characters.
func TestLongest(t *testing.T) {
	text := `{"Id":"` + strings.Repeat("ж", sessionpolicy.MaxLength-9) + `"}`
	parse(t, text)
	if _, err := sessionpolicy.Parse(text + " "); err == nil {
		t.Error("a character more is read")
	}
}

func TestMemory(t *testing.T) {
	var m sessionpolicy.Memory
	text := `{"Statement":` + readOne + `}`
	first, err := m.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := m.Parse(strings.Clone(text)); err != nil || second != first {
		t.Errorf("read again: %p, then %p (%v)", first, second, err)
	}
	for range 2 {
		if _, err := m.Parse("{"); err == nil {
			t.Error("what is no policy is read")
		}
	}
	// Many more than it keeps: each is answered for itself.
	for i := range 3000 {
		key := strings.Repeat("x", i%1000) + string(rune('a'+i/1000))
		p, err := m.Parse(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::` + key + `"}}`)
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := p.Allows("s3:GetObject", "arn:aws:s3:::"+key); !ok {
			t.Fatalf("another policy for %s", key)
		}
	}
}
