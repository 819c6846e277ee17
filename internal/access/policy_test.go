package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// The templates are those of the documentation that take no parameters, and
// deny what there is.
func TestTemplates(t *testing.T) {
	catalogue, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	containers := []resource.Kind{resource.Organization, resource.Cloud, resource.Folder}
	var ids []string
	for _, tpl := range access.Templates() {
		ids = append(ids, tpl.ID)
		if tpl.Name == "" || tpl.Description == "" || len(tpl.Denies) == 0 {
			t.Errorf("%s says too little: %+v", tpl.ID, tpl)
		}
		for _, p := range tpl.Denies {
			if !catalogue.Has(p) {
				t.Errorf("%s denies %s, which is in no role", tpl.ID, p)
			}
		}
		on := containers
		if strings.HasPrefix(tpl.ID, "organization.") {
			on = containers[:1]
		}
		if diff := cmp.Diff(on, tpl.On); diff != "" {
			t.Errorf("%s: %s", tpl.ID, diff)
		}
	}
	want := []string{
		"iam.denyServiceAccountAccessKeysCreation", "iam.denyServiceAccountApiKeysCreation",
		"iam.denyServiceAccountAuthorizedKeysCreation", "iam.denyServiceAccountCreation",
		"iam.denyServiceAccountCredentialsCreation", "iam.denyServiceAccountFederatedCredentialsCreation",
		"iam.denyServiceAccountImpersonation", "organization.denyMemberInvitation", "organization.denyUserListing",
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
}

// "Credentials" takes in all that the templates of single kinds of credential do.
func TestCredentialsTemplateTakesInTheOthers(t *testing.T) {
	denies := map[string][]iam.Permission{}
	for _, tpl := range access.Templates() {
		denies[tpl.ID] = tpl.Denies
	}
	all := denies["iam.denyServiceAccountCredentialsCreation"]
	for _, kind := range []string{"AccessKeys", "ApiKeys", "AuthorizedKeys", "FederatedCredentials"} {
		for _, p := range denies["iam.denyServiceAccount"+kind+"Creation"] {
			if !slices.Contains(all, p) {
				t.Errorf("%s is not denied", p)
			}
		}
	}
	if slices.Contains(all, "iam.serviceAccounts.createToken") {
		t.Error("IAM tokens are denied")
	}
}

// A policy that another node binds between the decision and the change that
// rests on it sends the change back.
func TestPolicyBoundMeanwhile(t *testing.T) {
	const template = "iam.denyServiceAccountAuthorizedKeysCreation"
	for _, on := range []string{"dev", "main", "acme"} {
		h := newHouse(t)
		h.update(func(tx *store.Tx) error { return h.bind(tx, "robot", "editor", alice.ID) })
		at, keys, d := h.decideGuarded(alice, "iam.keys.create", "robot")
		if !d.Allowed {
			t.Fatalf("%+v", d)
		}
		change := func(tx *store.Tx) error {
			_, err := store.AddMember(tx, "acme", "somebody")
			return err
		}
		if err := h.db.Update(store.WithGuard(t.Context(), at, keys), change); err != nil {
			t.Fatalf("nothing has moved: %v", err)
		}
		h.update(func(tx *store.Tx) error { return store.BindPolicy(tx, on, store.PolicyBinding{TemplateID: template}) })
		if err := h.db.Update(store.WithGuard(t.Context(), at, keys), change); err != store.ErrMoved {
			t.Errorf("a policy on %s: %v, want %v", on, err, store.ErrMoved)
		}
		want := access.Denial{Resource: d.Path[slices.IndexFunc(d.Path, func(r resource.Ref) bool { return r.ID == on })], Template: template}
		if d := h.decide(alice, "iam.keys.create", "robot"); d.Allowed || d.DeniedBy != want || d.By != (access.Grant{}) {
			t.Errorf("afterwards: %+v, want denied by %+v", d, want)
		}
		h.update(func(tx *store.Tx) error { return store.UnbindPolicy(tx, on, template) })
		if d := h.decide(alice, "iam.keys.create", "robot"); !d.Allowed {
			t.Errorf("without the policy: %+v", d)
		}
	}
}

// Who has no role is refused without a look at policies.
func TestPoliciesComeAfterRoles(t *testing.T) {
	w := newWorld()
	w.add(resource.Organization, "acme", "")
	w.denied["acme"] = []string{"organization.denyUserListing"}
	w.bind("acme", "alice", "organization-manager.viewer")
	checker := builtinChecker(t)
	for who, want := range map[iam.Subject]string{alice: "organization.denyUserListing", bob: ""} {
		looked := 0
		d, err := checker.Check(watched{w, &looked}, who, "organization-manager.users.list", "acme")
		if err != nil || d.Allowed || d.DeniedBy.Template != want || looked > 0 != (want != "") {
			t.Errorf("%s: %+v, %v, %d looks at policies", who.ID, d, err, looked)
		}
	}
	looked := 0
	d, err := checker.Check(watched{w, &looked}, alice, "organization-manager.organizations.get", "acme")
	if err != nil || !d.Allowed || looked != 0 {
		t.Errorf("a permission that no template denies: %+v, %v, %d looks", d, err, looked)
	}
}

// Without a role, policies alone are asked.
func TestForbids(t *testing.T) {
	w := newWorld()
	w.add(resource.Organization, "acme", "")
	checker := builtinChecker(t)
	forbids := func(what iam.Permission, id string) access.Decision {
		t.Helper()
		d, err := checker.Forbids(w, what, id)
		if err != nil || len(d.Path) != 1 || d.Path[0].ID != id {
			t.Fatalf("%s on %s: %+v, %v", what, id, d, err)
		}
		return d
	}
	if d := forbids("iam.ephemeralAccessKeys.create", "acme"); !d.Allowed || d.DeniedBy != (access.Denial{}) {
		t.Errorf("without policies: %+v", d)
	}
	w.denied["acme"] = []string{"iam.denyServiceAccountCredentialsCreation"}
	want := access.Denial{Resource: resource.Ref{Kind: resource.Organization, ID: "acme"}, Template: "iam.denyServiceAccountCredentialsCreation"}
	if d := forbids("iam.ephemeralAccessKeys.create", "acme"); d.Allowed || d.DeniedBy != want {
		t.Errorf("with a policy: %+v, want denied by %+v", d, want)
	}
	if d := forbids("iam.serviceAccounts.createToken", "acme"); !d.Allowed {
		t.Errorf("what the policy does not deny: %+v", d)
	}
	if _, err := checker.Forbids(w, "iam.nonsense.do", "acme"); !errors.Is(err, iam.InvalidArgument) {
		t.Errorf("a permission in no role: %v", err)
	}
	if _, err := checker.Forbids(w, "iam.ephemeralAccessKeys.create", "nothing"); !errors.Is(err, iam.NotFound) {
		t.Errorf("a resource that is not there: %v", err)
	}
}

// watched counts the looks at policies.
type watched struct {
	*world
	looked *int
}

func (w watched) Policies(path []resource.Ref, visit func(at int, templates []string) bool) error {
	*w.looked++
	return w.world.Policies(path, visit)
}

func builtinChecker(t testing.TB) *access.Checker {
	t.Helper()
	c, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return access.NewChecker(c)
}
