package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var rowTests = []test{
	{"organization", testOrganization},
	{"cloud", testCloud},
	{"folder", testFolder},
	{"service account", testServiceAccount},
	{"key", testKey},
	{"names are compared exactly", testExactNames},
	{"any text is kept", testAnyText},
	{"parents must live", testParentsMustLive},
}

func testOrganization(t *testing.T, f *fixture) {
	want := organization(orgID, "acme")
	want.Description, want.Labels = "everything", map[string]string{"b": "2", "a": "1"}
	f.told(t, []store.Change{{Kind: store.ChangeResource, Key: orgID}}, func(tx *store.Tx) error {
		return store.InsertOrganization(tx, want)
	})
	want.Name, want.Title, want.Description, want.Labels = "acme2", "Acme", "", nil
	f.told(t, []store.Change{{Kind: store.ChangeDetails, Key: orgID}}, func(tx *store.Tx) error {
		return store.UpdateOrganization(tx, want)
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetOrganization(tx, orgID)
		same(t, "organization", want, got)
		if err != nil {
			return err
		}
		_, err = store.GetOrganization(tx, "bpfnone")
		wantRefusal(t, err, iam.NotFound, "Organization bpfnone not found")
		return nil
	})
	f.refuse(t, iam.NotFound, "Organization bpfnone not found", func(tx *store.Tx) error {
		return store.UpdateOrganization(tx, organization("bpfnone", "x"))
	})
}

func testCloud(t *testing.T, f *fixture) {
	f.world(t)
	want := cloud("b1g2", orgID, "prod") // the name of another: allowed
	want.Labels = map[string]string{"env": "prod"}
	f.told(t, []store.Change{{Kind: store.ChangeResource, Key: "b1g2"}}, func(tx *store.Tx) error {
		return store.InsertCloud(tx, want)
	})
	want.Name, want.Description, want.Labels = "stage", "for trials", map[string]string{"env": "stage"}
	f.update(t, func(tx *store.Tx) error { return store.UpdateCloud(tx, want) })
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetCloud(tx, "b1g2")
		same(t, "cloud", want, got)
		return err
	})
	f.refuse(t, iam.NotFound, "Cloud b1gnone not found", func(tx *store.Tx) error {
		return store.UpdateCloud(tx, cloud("b1gnone", orgID, "x"))
	})
	f.refuse(t, iam.NotFound, "Cloud b1gnone not found", func(tx *store.Tx) error {
		return second(store.DeleteCloud(tx, "b1gnone"))
	})
}

func testFolder(t *testing.T, f *fixture) {
	f.world(t)
	want := folder("b1g2", cloudID, "db")
	f.told(t, []store.Change{{Kind: store.ChangeResource, Key: "b1g2"}}, func(tx *store.Tx) error {
		return store.InsertFolder(tx, want)
	})
	f.refuse(t, iam.AlreadyExists, "Folder with name db already exists in cloud "+cloudID, func(tx *store.Tx) error {
		return store.InsertFolder(tx, folder("b1g3", cloudID, "db"))
	})
	taken := *want
	taken.Name = "web"
	f.refuse(t, iam.AlreadyExists, "Folder with name web already exists in cloud "+cloudID, func(tx *store.Tx) error {
		return store.UpdateFolder(tx, &taken)
	})
	want.Description, want.Labels, want.Status = "rows", map[string]string{"a": ""}, iam.FolderPendingDeletion
	f.update(t, func(tx *store.Tx) error { return store.UpdateFolder(tx, want) })
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetFolder(tx, "b1g2")
		same(t, "folder", want, got)
		return err
	})
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertCloud(tx, cloud("b1gc2", orgID, "two")), store.InsertFolder(tx, folder("b1g4", "b1gc2", "db")))
	})
	f.refuse(t, iam.NotFound, "Folder b1gnone not found", func(tx *store.Tx) error {
		return store.UpdateFolder(tx, folder("b1gnone", cloudID, "x"))
	})
}

func testServiceAccount(t *testing.T, f *fixture) {
	f.world(t)
	want := robot("aje2", folderID, "reader")
	want.ExpiresAt, want.Labels = created.Add(time.Hour), map[string]string{"team": "a"}
	f.told(t, []store.Change{{Kind: store.ChangeResource, Key: "aje2"}, {Kind: store.ChangeServiceAccount, Key: "aje2"}}, func(tx *store.Tx) error {
		return store.InsertServiceAccount(tx, want)
	})
	f.update(t, func(tx *store.Tx) error { return store.InsertFolder(tx, folder("b1g2", cloudID, "db")) })
	f.refuse(t, iam.AlreadyExists, "Service account with name reader already exists in the cloud", func(tx *store.Tx) error {
		return store.InsertServiceAccount(tx, robot("aje3", "b1g2", "reader")) // another folder, the same cloud
	})
	suspended := *want
	suspended.Name, suspended.Description, suspended.Labels, suspended.ExpiresAt = "auditor", "reads", nil, time.Time{}
	f.told(t, []store.Change{{Kind: store.ChangeServiceAccount, Key: "aje2"}}, func(tx *store.Tx) error {
		return all(store.UpdateServiceAccount(tx, &suspended),
			store.SetServiceAccountStatus(tx, "aje2", iam.ServiceAccountSuspended, "key leaked"))
	})
	suspended.Status, suspended.SuspendReason = iam.ServiceAccountSuspended, "key leaked"
	later := created.Add(time.Minute)
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.TouchServiceAccounts(tx, map[string]time.Time{"aje2": later, "ajenone": later}),
			store.TouchServiceAccounts(tx, map[string]time.Time{"aje2": created})) // never back
	})
	suspended.LastAuthenticatedAt = later
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetServiceAccount(tx, "aje2")
		same(t, "service account", &suspended, got)
		return err
	})
	f.refuse(t, iam.AlreadyExists, "Service account with name deployer already exists in the cloud", func(tx *store.Tx) error {
		return store.UpdateServiceAccount(tx, robot("aje2", folderID, "deployer"))
	})
	f.refuse(t, iam.NotFound, "Service account ajenone not found", func(tx *store.Tx) error {
		return store.SetServiceAccountStatus(tx, "ajenone", iam.ServiceAccountActive, "")
	})
}

func testKey(t *testing.T, f *fixture) {
	f.world(t)
	want := key("aje9", robotID)
	want.Description = "for ci"
	told := []store.Change{{Kind: store.ChangeKey, Key: "aje9"}}
	f.told(t, told, func(tx *store.Tx) error { return store.InsertKey(tx, want) })
	want.Description = "for cd"
	f.told(t, told, func(tx *store.Tx) error { return store.UpdateKeyDescription(tx, "aje9", "for cd") })
	want.LastUsedAt = created.Add(time.Second)
	f.told(t, nil, func(tx *store.Tx) error { return store.TouchKeys(tx, map[string]time.Time{"aje9": want.LastUsedAt}) })
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetKey(tx, "aje9")
		same(t, "key", want, got)
		return err
	})
	f.refuse(t, iam.NotFound, "Service account ajenone not found", func(tx *store.Tx) error {
		return store.InsertKey(tx, key("aje8", "ajenone"))
	})
	f.refuse(t, iam.AlreadyExists, "Key aje9 already exists", func(tx *store.Tx) error { return store.InsertKey(tx, want) })
	f.told(t, told, func(tx *store.Tx) error { return store.DeleteKey(tx, "aje9") })
	f.refuse(t, iam.NotFound, "Key aje9 not found", func(tx *store.Tx) error { return store.DeleteKey(tx, "aje9") })
	f.refuse(t, iam.NotFound, "Key aje9 not found", func(tx *store.Tx) error { return store.UpdateKeyDescription(tx, "aje9", "") })
}

func testExactNames(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(
			store.InsertFolder(tx, folder("B1G1", cloudID, "Web")),
			store.InsertFolder(tx, folder("b1G1", cloudID, "WEB")),
			store.InsertFolder(tx, folder("b1g1", cloudID, "web ")),
			store.InsertUserAccount(tx, &iam.UserAccount{ID: "u1", Login: "alice", CreatedAt: created}),
			store.InsertUserAccount(tx, &iam.UserAccount{ID: "U1", Login: "Alice", CreatedAt: created}),
		)
	})
	f.view(t, func(tx *store.Tx) error {
		for name, id := range map[string]string{"web": folderID, "Web": "B1G1", "WEB": "b1G1", "web ": "b1g1"} {
			got, err := store.ListFolders(tx, cloudID, store.Page{Name: name, Limit: 9})
			if err != nil || len(got) != 1 || got[0].ID != id {
				t.Errorf("folder named %q: %v %v, want %s", name, got, err, id)
			}
		}
		got, err := store.ListFolders(tx, cloudID, store.Page{Limit: 9})
		ids := make([]string, len(got))
		for i, f := range got {
			ids[i] = f.ID
		}
		same(t, "order of bytes", []string{"B1G1", "b1G1", folderID, "b1g1"}, ids)
		_, miss := store.GetUserAccountByLogin(tx, "ALICE")
		wantRefusal(t, miss, iam.NotFound, "User account ALICE not found")
		return err
	})
}

func testAnyText(t *testing.T, f *fixture) {
	f.world(t)
	texts := []string{"пропуск", "日本語", "e\u0301", "é", "🎫", `'"; DROP TABLE folders --`, "a%_b", "tab\tnewline\n", "\\", "$1"}
	f.update(t, func(tx *store.Tx) error {
		for i, text := range texts {
			o := folder("b1gu"+string(rune('a'+i)), cloudID, text)
			o.Description, o.Labels = text, map[string]string{text: text}
			if err := store.InsertFolder(tx, o); err != nil {
				return err
			}
		}
		return nil
	})
	f.view(t, func(tx *store.Tx) error {
		for _, text := range texts {
			got, err := store.ListFolders(tx, cloudID, store.Page{Name: text, Limit: 2})
			if err != nil || len(got) != 1 {
				t.Fatalf("folders named %q: %d, %v", text, len(got), err)
			}
			same(t, "description", text, got[0].Description)
			same(t, "labels", map[string]string{text: text}, got[0].Labels)
		}
		return nil
	})
}

func testParentsMustLive(t *testing.T, f *fixture) {
	f.world(t)
	f.refuse(t, iam.NotFound, "Organization bpfnone not found", func(tx *store.Tx) error {
		return store.InsertCloud(tx, cloud("b1g5", "bpfnone", "x"))
	})
	f.refuse(t, iam.NotFound, "Cloud "+folderID+" not found", func(tx *store.Tx) error {
		return store.InsertFolder(tx, folder("b1g5", folderID, "x")) // a folder is no cloud
	})
	f.refuse(t, iam.NotFound, "Folder "+cloudID+" not found", func(tx *store.Tx) error {
		return store.InsertServiceAccount(tx, robot("aje5", cloudID, "x"))
	})
	f.refuse(t, iam.AlreadyExists, "Id "+folderID+" is already used", func(tx *store.Tx) error {
		return store.InsertFolder(tx, folder(folderID, cloudID, "x"))
	})
}
