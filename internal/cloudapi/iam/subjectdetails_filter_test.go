package iam

import (
	"strings"
	"testing"
	"time"

	subjectpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
)

var alice = &subjectpb.Subject{
	Sub: "aje1", Type: subjectpb.SubjectType_USER_ACCOUNT, Status: subjectpb.SubjectStatus_ACTIVE, Name: "Alice",
	CreatedAt:      timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
	Groups:         []*subjectpb.Group{{Id: "g1", Name: "devs", Type: subjectpb.GroupType_EXPLICIT}, {Id: "allUsers", Type: subjectpb.GroupType_PUBLIC_ACCESS}},
	SubjectDetails: &subjectpb.Subject_UserAccount{UserAccount: &subjectpb.UserAccount{PreferredUsername: "alice", Email: "alice@example.com"}},
}

func TestSubjectFilter(t *testing.T) {
	for filter, want := range map[string]bool{
		"": true, "  ": true, "true": true, "1 > 2": false,
		`sub == "aje1"`: true, `subject.sub == 'aje1'`: true, `name.startsWith("Al")`: true, `name.matches("^B")`: false,
		`subject.type == SubjectType.USER_ACCOUNT`: true, `subject.type == yandex.cloud.iam.SubjectType.SERVICE_ACCOUNT`: false,
		`type == SubjectType.USER_ACCOUNT`: true, `type == 1 && status == SubjectStatus.ACTIVE`: true,
		`type in [SubjectType.GROUP, SubjectType.SERVICE_ACCOUNT]`: false,
		`user_account.email.endsWith("@example.com")`:              true, `subject.user_account.preferred_username == "alice"`: true,
		`has(subject.user_account)`: true, `has(subject.service_account)`: false, `service_account.folder.id == "b1g"`: false,
		`groups.exists(g, g.name == "devs")`: true, `groups.exists(g, g.type == GroupType.META)`: false, `size(groups) == 2`: true,
		`created_at > timestamp("2026-01-01T00:00:00Z")`: true, `created_at < timestamp("2026-01-01T00:00:00Z")`: false,
		`last_authenticated_at == timestamp("1970-01-01T00:00:00Z")`: true, `!has(subject.last_authenticated_at)`: true,
	} {
		f, err := newSubjectFilter(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if got, err := f.matches(t.Context(), alice); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", filter, got, err, want)
		}
	}
}

func TestSubjectFilterRefuses(t *testing.T) {
	for filter, text := range map[string]string{
		`name = "a"`:                      "Syntax error",
		`name`:                            "true or false",
		`nobody == "a"`:                   "undeclared reference",
		`subject.nothing == "a"`:          "undefined field",
		`name == 1`:                       "no matching overload",
		`name.matches("(")`:               "invalid matches argument",
		`created_at > timestamp("today")`: "timestamp",
		`1 / (size(name) - 5) == 0`:       "division by zero",
		`name.matches(sub + "(")`:         "missing closing",
		`groups.all(a, groups.all(b, groups.all(c, true)))`:          "nest",
		strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100): "recursion",
		"true" + strings.Repeat(" && true", 1_200):                   "",
		`name.matches("((a{30}){30}){30}")`:                          "",
		"\x00":                                                       "", "\xff": "", `"unclosed`: "",
	} {
		f, err := newSubjectFilter(filter)
		if err == nil {
			_, err = f.matches(t.Context(), alice)
		}
		if iam.KindOf(err) != iam.InvalidArgument || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "filter: ") {
			t.Errorf("%.80s: %v, want INVALID_ARGUMENT about filter with %q", filter, err, text)
		}
	}
}

// TestSubjectFilterIsBounded: what is dear is refused or cut, not waited for.
func TestSubjectFilterIsBounded(t *testing.T) {
	many := &subjectpb.Subject{Sub: "aje1", Name: strings.Repeat("a", 256)}
	for range 1000 {
		many.Groups = append(many.Groups, &subjectpb.Group{Id: "ajegroup", Name: strings.Repeat("a", 60)})
	}
	for _, filter := range []string{
		`groups.exists(a, groups.exists(b, a.name + b.name == "x"))`,
		`groups.map(a, groups.map(b, a.name + b.name)).size() == 0`,
	} {
		f, err := newSubjectFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = f.matches(t.Context(), many)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s took %v", filter, took)
		}
		if iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%s: %v, want INVALID_ARGUMENT", filter, err)
		}
	}
}

// TestSubjectFilterIsReadQuickly: what may be read is read in no time, however
// it nests and repeats.
func TestSubjectFilterIsReadQuickly(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a.", 999), strings.Repeat("-", 1_999), strings.Repeat("name+", 900), strings.Repeat("[a]", 600),
		strings.Repeat("1 in ", 900), strings.Repeat("true||", 600) + "true", strings.Repeat("groups.exists(g,g.id=='a')||", 90) + "true",
		strings.Repeat("groups.exists(g,groups.exists(h,h.id==g.id))||", 45) + "true",
		"sub in [" + strings.Repeat("'ajeabcdefghijklmnop',", 420) + "'b']",
	} {
		began := time.Now()
		_, err := newSubjectFilter(text)
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("%.40s… took %v (%v)", text, took, err)
		}
	}
}

func FuzzSubjectFilter(f *testing.F) {
	for _, seed := range []string{
		``, `name == "a"`, `subject.type == SubjectType.USER_ACCOUNT`, `groups.exists(g, g.id.matches("a+"))`,
		`created_at > timestamp("2026-01-01T00:00:00Z")`, `{"a": 1}["a"] == size(name) ? true : false`, `!!!!true`, `((((true))))`, "\xff(",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		began := time.Now()
		filter, err := newSubjectFilter(text)
		if err == nil {
			_, err = filter.matches(t.Context(), alice)
		}
		if err != nil && iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%q: %v", text, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%q took %v", text, took)
		}
	})
}
