package storetest

import (
	"fmt"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

var policyTests = []test{
	{"bind, update, unbind", testPolicies},
	{"policies of several resources", testPoliciesOn},
	{"bindings of a subject", testSubjectBindings},
	{"limits", testQuotaLimits},
	{"counting stops", testQuotaCounts},
	{"requests for more", testQuotaRequests},
}

func testPolicies(t *testing.T, f *fixture) {
	f.world(t)
	told := []store.Change{{Kind: store.ChangeResource, Key: folderID}}
	with := store.PolicyBinding{TemplateID: "b.policy", Parameters: map[string]string{"allowed": "a"}}
	f.told(t, told, func(tx *store.Tx) error { return store.BindPolicy(tx, folderID, with) })
	f.told(t, told, func(tx *store.Tx) error {
		return store.BindPolicy(tx, folderID, store.PolicyBinding{TemplateID: "a.policy"})
	})
	f.refuse(t, iam.AlreadyExists, "Access policy b.policy is already bound to "+folderID, func(tx *store.Tx) error {
		return store.BindPolicy(tx, folderID, store.PolicyBinding{TemplateID: "b.policy"})
	})
	f.refuse(t, iam.NotFound, "Resource none not found", func(tx *store.Tx) error { return store.BindPolicy(tx, "none", with) })
	with.Parameters = map[string]string{"allowed": "b"}
	f.told(t, told, func(tx *store.Tx) error { return store.UpdatePolicyParameters(tx, folderID, with) })
	f.view(t, func(tx *store.Tx) error {
		got, err := store.ListPolicies(tx, folderID, "", 9)
		same(t, "policies", []store.PolicyBinding{{TemplateID: "a.policy"}, with}, got)
		got, e2 := store.ListPolicies(tx, folderID, "a.policy", 1)
		same(t, "policies after the first", []store.PolicyBinding{with}, got)
		return all(err, e2)
	})
	f.told(t, told, func(tx *store.Tx) error { return store.UnbindPolicy(tx, folderID, "b.policy") })
	missing := "Access policy b.policy on " + folderID + " not found"
	f.refuse(t, iam.NotFound, missing, func(tx *store.Tx) error { return store.UnbindPolicy(tx, folderID, "b.policy") })
	f.refuse(t, iam.NotFound, missing, func(tx *store.Tx) error { return store.UpdatePolicyParameters(tx, folderID, with) })
}

func testPoliciesOn(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.BindPolicy(tx, orgID, store.PolicyBinding{TemplateID: "x"}),
			store.BindPolicy(tx, folderID, store.PolicyBinding{TemplateID: "y"}),
			store.BindPolicy(tx, folderID, store.PolicyBinding{TemplateID: "x"}))
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.PoliciesOn(tx, []string{folderID, cloudID, orgID})
		same(t, "policies", map[string][]string{folderID: {"x", "y"}, orgID: {"x"}}, got)
		none, e2 := store.PoliciesOn(tx, nil)
		same(t, "policies on nothing", 0, len(none))
		return all(err, e2)
	})
}

func testSubjectBindings(t *testing.T, f *fixture) {
	f.world(t)
	const other = "bpf0000000000000oth1"
	var want []store.SubjectBinding
	f.update(t, func(tx *store.Tx) error {
		if err := store.InsertOrganization(tx, organization(other, "other")); err != nil {
			return err
		}
		for _, r := range []resource.Ref{{Kind: resource.Cloud, ID: cloudID}, {Kind: resource.Folder, ID: folderID}, {Kind: resource.Organization, ID: orgID}} {
			for i := range 3 {
				role := iam.RoleID(fmt.Sprint("role", i))
				want = append(want, store.SubjectBinding{Resource: r, Role: role})
				if err := all(second(store.AddBinding(tx, r.ID, bind(role, robotID))), second(store.AddBinding(tx, r.ID, bind(role, "somebody")))); err != nil {
					return err
				}
			}
		}
		return second(store.AddBinding(tx, other, bind("elsewhere", robotID)))
	})
	f.view(t, func(tx *store.Tx) error {
		var got []store.SubjectBinding
		for after := (store.SubjectBinding{}); ; {
			page, err := store.ListSubjectBindings(tx, orgID, robotID, after, 2)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1]
		}
		same(t, "bindings", want, got)
		none, err := store.ListSubjectBindings(tx, orgID, "nobody", store.SubjectBinding{}, 9)
		same(t, "bindings of nobody", 0, len(none))
		return err
	})
}

func testQuotaLimits(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.SetQuotaLimit(tx, cloudID, "q", 7), store.SetQuotaLimit(tx, cloudID, "q", 1<<62), store.SetQuotaLimit(tx, cloudID, "p", 0))
	})
	f.refuse(t, iam.NotFound, "Resource none not found", func(tx *store.Tx) error { return store.SetQuotaLimit(tx, "none", "q", 1) })
	f.view(t, func(tx *store.Tx) error {
		limits, err := store.QuotaLimits(tx, cloudID)
		same(t, "limits", map[string]int64{"q": 1 << 62, "p": 0}, limits)
		value, own, e2 := store.QuotaLimit(tx, cloudID, "p")
		same(t, "limit", true, own && value == 0)
		_, own, e3 := store.QuotaLimit(tx, orgID, "p")
		same(t, "limit of another", false, own)
		return all(err, e2, e3)
	})
}

func testQuotaCounts(t *testing.T, f *fixture) {
	f.world(t)
	member := iam.Subject{ID: robotID, Type: iam.TypeServiceAccount}
	f.update(t, func(tx *store.Tx) error {
		for i := range 3 {
			id := fmt.Sprint("n", i)
			err := all(store.InsertCloud(tx, cloud("c"+id, orgID, id)), store.InsertFolder(tx, folder("f"+id, cloudID, id)),
				store.InsertServiceAccount(tx, robot("a"+id, "f"+id, id)),
				store.InsertKey(tx, &iam.Key{ID: "k" + id, ServiceAccountID: "a" + id, Algorithm: iam.RSA2048, CreatedAt: created}),
				store.InsertAPIKey(tx, apiKey("q"+id, "a"+id)),
				store.InsertGroup(tx, &iam.Group{ID: "g" + id, OrganizationID: orgID, Name: id, CreatedAt: created}),
				second(store.AddGroupMember(tx, "g"+id, member)),
				second(store.AddMember(tx, orgID, iam.SubjectID(id))), second(store.AddBinding(tx, folderID, bind("viewer", iam.SubjectID(id)))))
			if err != nil {
				return err
			}
		}
		return second(store.AddGroupMember(tx, "gn0", iam.Subject{ID: "p", Type: iam.TypeUserAccount}))
	})
	f.view(t, func(tx *store.Tx) error {
		counts := map[string]func(most int) (int, error){
			"accounts": func(most int) (int, error) { return store.CountServiceAccounts(tx, cloudID, most) },
			"keys":     func(most int) (int, error) { return store.CountKeys(tx, cloudID, most) },
			"API keys": func(most int) (int, error) { return store.CountAPIKeys(tx, cloudID, most) },
			"folders":  func(most int) (int, error) { return store.CountFolders(tx, cloudID, most) },
			"clouds":   func(most int) (int, error) { return store.CountClouds(tx, orgID, most) },
			"groups":   func(most int) (int, error) { return store.CountGroups(tx, orgID, most) },
			"members":  func(most int) (int, error) { return store.CountMembers(tx, orgID, most) },
			"bindings": func(most int) (int, error) { return store.CountBindings(tx, orgID, most) },
			"in group": func(most int) (int, error) { return store.CountGroupMembers(tx, "gn0", most) },
			"groups of": func(most int) (int, error) {
				return store.CountGroupsOf(tx, orgID, robotID, most)
			},
		}
		// What the world begins with, and what was added.
		want := map[string]int{"accounts": 4, "keys": 4, "API keys": 3, "folders": 4, "clouds": 4, "groups": 3, "members": 3, "bindings": 3, "in group": 2, "groups of": 3}
		for what, n := range want {
			for most, expect := range map[int]int{100: n, n: n, n - 1: n - 1, 0: 0} {
				got, err := counts[what](most)
				if err != nil {
					return err
				}
				same(t, fmt.Sprint(what, " up to ", most), expect, got)
			}
		}
		elsewhere, err := store.CountGroupsOf(tx, "bpfelsewhere", robotID, 9)
		same(t, "groups elsewhere", 0, elsewhere)
		return err
	})
}

func testQuotaRequests(t *testing.T, f *fixture) {
	f.world(t)
	request := func(id string, at resource.Ref) *store.QuotaRequest {
		return &store.QuotaRequest{ID: id, Resource: at, Status: store.QuotaPending, CreatedBy: robotID, CreatedAt: created, ModifiedAt: created,
			Limits: []store.QuotaWish{{QuotaID: "q", Desired: 1 << 60, Status: store.QuotaPending}}}
	}
	inCloud, inOrg := resource.Ref{Kind: resource.Cloud, ID: cloudID}, resource.Ref{Kind: resource.Organization, ID: orgID}
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertQuotaRequest(tx, request("r1", inCloud)), store.InsertQuotaRequest(tx, request("r2", inOrg)),
			store.InsertQuotaRequest(tx, request("r3", inCloud)))
	})
	f.refuse(t, iam.NotFound, "Resource "+cloudID+" not found", func(tx *store.Tx) error {
		return store.InsertQuotaRequest(tx, request("r4", resource.Ref{Kind: resource.Folder, ID: cloudID}))
	})
	f.advance(1_000_000)
	f.update(t, func(tx *store.Tx) error {
		q, err := store.LockQuotaRequest(tx, "r1")
		same(t, "request", request("r1", inCloud), q)
		if err != nil {
			return err
		}
		q.Status, q.Limits[0].Status, q.Limits[0].Approved, q.Limits[0].Message = store.QuotaProcessed, store.QuotaApproved, 5, "m"
		return store.UpdateQuotaRequest(tx, q)
	})
	f.refuse(t, iam.NotFound, "Quota request none not found", func(tx *store.Tx) error {
		return store.UpdateQuotaRequest(tx, &store.QuotaRequest{ID: "none"})
	})
	ids := func(all []*store.QuotaRequest) (out []string) {
		for _, q := range all {
			out = append(out, q.ID)
		}
		return out
	}
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetQuotaRequest(tx, "r1")
		same(t, "approved", store.QuotaWish{QuotaID: "q", Desired: 1 << 60, Approved: 5, Status: store.QuotaApproved, Message: "m"}, got.Limits[0])
		same(t, "modified later", true, got.ModifiedAt.After(got.CreatedAt))
		every, e2 := store.ListQuotaRequests(tx, "", "", store.Page{Limit: 9})
		same(t, "all", []string{"r1", "r2", "r3"}, ids(every))
		of, e3 := store.ListQuotaRequests(tx, cloudID, "", store.Page{Limit: 9, After: "r1"})
		same(t, "of the cloud, after r1", []string{"r3"}, ids(of))
		open, e4 := store.ListQuotaRequests(tx, cloudID, store.QuotaPending, store.Page{Limit: 9})
		same(t, "pending", []string{"r3"}, ids(open))
		return all(err, e2, e3, e4)
	})
}
