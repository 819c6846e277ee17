package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var oauthClientTests = []test{
	{"a client's life", testOAuthClient},
	{"a secret's life", testOAuthClientSecret},
	{"secrets go with their client", testSecretsGoWithClient},
	{"clients go with their folder", testOAuthClientsGoWithFolder},
	{"a deletion and a new secret at once", testSecretOfDyingClient},
}

func oauthClient(id, folderID, name string) *iam.OAuthClient {
	return &iam.OAuthClient{ID: id, FolderID: folderID, Name: name, ProfileID: "web", PKCERequired: true, CreatedAt: created,
		AuthenticationMethods: []string{"client_secret_basic"}}
}

func clientSecret(id, clientID string) *iam.OAuthClientSecret {
	return &iam.OAuthClientSecret{ID: id, OAuthClientID: clientID, MaskedSecret: "yccs__0123456789****",
		Lookup: "look-" + id, Hash: []byte{0, 1, 0xff}, CreatedAt: created}
}

func clientTold(ids ...string) (all []store.Change) {
	for _, id := range ids {
		all = append(all, store.Change{Kind: store.ChangeOAuthClient, Key: id})
	}
	return all
}

func clientSecretTold(ids ...string) (all []store.Change) {
	for _, id := range ids {
		all = append(all, store.Change{Kind: store.ChangeClientSecret, Key: store.OAuthClientSecretChange(id, "look-"+id)})
	}
	return all
}

func testOAuthClient(t *testing.T, f *fixture) {
	f.world(t)
	want := oauthClient("ajec1", folderID, "site")
	want.RedirectURIs = []string{"https://b.example/cb", "https://a.example/cb"} // not sorted: the order is kept
	want.PostLogoutRedirectURIs, want.Scopes = []string{"https://b.example/bye"}, []string{"openid", `odd"\`}
	f.told(t, clientTold("ajec1"), func(tx *store.Tx) error { return store.InsertOAuthClient(tx, want) })
	look := func() {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.GetOAuthClient(tx, "ajec1")
			same(t, "by id", want, got)
			return err
		})
		f.update(t, func(tx *store.Tx) error {
			got, err := store.HoldOAuthClient(tx, "ajec1")
			same(t, "held", want, got)
			return err
		})
	}
	look()
	want.Name, want.PKCERequired = "shop", false
	want.RedirectURIs, want.PostLogoutRedirectURIs, want.Scopes, want.AuthenticationMethods = nil, nil, nil, []string{"client_secret_post"}
	f.told(t, clientTold("ajec1"), func(tx *store.Tx) error { return store.UpdateOAuthClient(tx, want) })
	look()
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertFolder(tx, folder("b1gother", cloudID, "other")), store.InsertOAuthClient(tx, oauthClient("ajec2", "b1gother", "shop")),
			store.InsertOAuthClient(tx, oauthClient("ajec3", folderID, "third")))
	})
	f.refuse(t, iam.AlreadyExists, "OAuth client with name shop already exists in folder "+folderID, func(tx *store.Tx) error {
		return store.InsertOAuthClient(tx, oauthClient("ajec4", folderID, "shop"))
	})
	f.refuse(t, iam.AlreadyExists, "OAuth client with name shop already exists in folder "+folderID, func(tx *store.Tx) error {
		return store.UpdateOAuthClient(tx, oauthClient("ajec3", folderID, "shop"))
	})
	f.refuse(t, iam.NotFound, "Folder b1gnone not found", func(tx *store.Tx) error {
		return store.InsertOAuthClient(tx, oauthClient("ajec4", "b1gnone", "shop"))
	})
	f.view(t, func(tx *store.Tx) error {
		var got []string
		for after := ""; ; {
			rows, err := store.ListOAuthClients(tx, folderID, store.Page{After: after, Limit: 1})
			if err != nil || len(rows) == 0 {
				same(t, "pages", []string{"ajec1", "ajec3"}, got)
				return err
			}
			after = rows[0].ID
			got = append(got, after)
			same(t, "what a list shows of "+after, &iam.OAuthClient{ID: after, FolderID: folderID, Name: map[string]string{"ajec1": "shop", "ajec3": "third"}[after], ProfileID: "web"}, rows[0])
		}
	})
	f.told(t, clientTold("ajec1"), func(tx *store.Tx) error { return store.DeleteOAuthClient(tx, "ajec1") })
	f.refuse(t, iam.NotFound, "OAuth client ajec1 not found", func(tx *store.Tx) error { return store.DeleteOAuthClient(tx, "ajec1") })
	f.refuse(t, iam.NotFound, "OAuth client ajec1 not found", func(tx *store.Tx) error { return store.UpdateOAuthClient(tx, want) })
	f.update(t, func(tx *store.Tx) error { return store.InsertOAuthClient(tx, oauthClient("ajec5", folderID, "shop")) }) // the name is free again
}

func testOAuthClientSecret(t *testing.T, f *fixture) {
	f.world(t)
	want := clientSecret("ajes1", "ajec1")
	want.Description = "for staging"
	f.update(t, func(tx *store.Tx) error { return store.InsertOAuthClient(tx, oauthClient("ajec1", folderID, "site")) })
	f.told(t, clientSecretTold("ajes1"), func(tx *store.Tx) error { return store.InsertOAuthClientSecret(tx, want) })
	want.LastUsedAt = created.Add(time.Second)
	f.told(t, nil, func(tx *store.Tx) error {
		return store.TouchOAuthClientSecrets(tx, map[string]time.Time{"ajes1": want.LastUsedAt, "gone": created})
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetOAuthClientSecret(tx, "ajes1")
		same(t, "by id", want, got)
		found, e2 := store.FindOAuthClientSecret(tx, want.Lookup)
		same(t, "by look-up", want, found)
		list, e3 := store.ListOAuthClientSecrets(tx, "ajec1", store.Page{Limit: 9})
		same(t, "listed", []*iam.OAuthClientSecret{want}, list)
		return all(err, e2, e3)
	})
	f.refuse(t, iam.NotFound, "OAuth client ajecnone not found", func(tx *store.Tx) error {
		return store.InsertOAuthClientSecret(tx, clientSecret("ajes2", "ajecnone"))
	})
	again := clientSecret("ajes2", "ajec1")
	again.Lookup = want.Lookup
	f.refuse(t, iam.AlreadyExists, "OAuth client secret ajes2 already exists", func(tx *store.Tx) error { return store.InsertOAuthClientSecret(tx, again) })
	f.told(t, clientSecretTold("ajes1"), func(tx *store.Tx) error { return store.DeleteOAuthClientSecret(tx, "ajes1") })
	f.refuse(t, iam.NotFound, "OAuth client secret ajes1 not found", func(tx *store.Tx) error { return store.DeleteOAuthClientSecret(tx, "ajes1") })
	f.view(t, func(tx *store.Tx) error {
		_, err := store.FindOAuthClientSecret(tx, want.Lookup)
		wantRefusal(t, err, iam.NotFound, "OAuth client secret of this text not found")
		return nil
	})
}

func (f *fixture) clientsWithSecrets(t *testing.T, folderID string, ids ...string) {
	t.Helper()
	f.update(t, func(tx *store.Tx) (err error) {
		for _, id := range ids {
			err = all(err, store.InsertOAuthClient(tx, oauthClient(id, folderID, id)))
			for i := range 2 {
				err = all(err, store.InsertOAuthClientSecret(tx, clientSecret(fmt.Sprint(id, "-", i), id)))
			}
		}
		return err
	})
}

func testSecretsGoWithClient(t *testing.T, f *fixture) {
	f.world(t)
	f.clientsWithSecrets(t, folderID, "c1", "c2")
	f.told(t, append(clientSecretTold("c1-0", "c1-1"), clientTold("c1")...), func(tx *store.Tx) error { return store.DeleteOAuthClient(tx, "c1") })
	f.view(t, func(tx *store.Tx) error {
		_, err := store.GetOAuthClientSecret(tx, "c1-0")
		wantRefusal(t, err, iam.NotFound, "OAuth client secret c1-0 not found")
		return second(store.GetOAuthClientSecret(tx, "c2-1"))
	})
}

func testOAuthClientsGoWithFolder(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error { return store.InsertFolder(tx, folder("b1gkeep", cloudID, "keep")) })
	f.clientsWithSecrets(t, folderID, "c1", "c2")
	f.clientsWithSecrets(t, "b1gkeep", "c3")
	for _, step := range []struct {
		told   []store.Change
		remove func(tx *store.Tx) error
	}{
		{append(clientTold("c1", "c2"), clientSecretTold("c1-0", "c1-1", "c2-0", "c2-1")...),
			func(tx *store.Tx) error { return second(store.DeleteFolder(tx, folderID)) }},
		{append(clientTold("c3"), clientSecretTold("c3-0", "c3-1")...),
			func(tx *store.Tx) error { return second(store.DeleteCloud(tx, cloudID)) }},
	} {
		before := f.head(t)
		f.update(t, step.remove)
		told := slices.DeleteFunc(f.changes(t, before), func(c store.Change) bool {
			return c.Kind != store.ChangeOAuthClient && c.Kind != store.ChangeClientSecret
		})
		sorted := cmpopts.SortSlices(func(a, b store.Change) bool { return fmt.Sprint(a) < fmt.Sprint(b) })
		if d := cmp.Diff(step.told, told, sorted); d != "" {
			t.Errorf("feed (-want +got):\n%s", d)
		}
	}
	f.view(t, func(tx *store.Tx) error {
		_, err := store.GetOAuthClient(tx, "c3")
		wantRefusal(t, err, iam.NotFound, "OAuth client c3 not found")
		return nil
	})
}

// Whichever comes first, no secret outlives its client, and neither change fails
// but for the client that is not there.
func testSecretOfDyingClient(t *testing.T, f *fixture) {
	f.world(t)
	for i := range 10 {
		id := fmt.Sprint("c", i)
		f.clientsWithSecrets(t, folderID, id)
		done := make(chan error, 1)
		go func() {
			done <- f.db.Update(t.Context(), func(tx *store.Tx) error { return store.InsertOAuthClientSecret(tx, clientSecret("late-"+id, id)) })
		}()
		f.update(t, func(tx *store.Tx) error { return store.DeleteOAuthClient(tx, id) })
		if err := <-done; err != nil {
			wantRefusal(t, err, iam.NotFound, "OAuth client "+id+" not found")
		}
		f.view(t, func(tx *store.Tx) error {
			left, err := store.ListOAuthClientSecrets(tx, id, store.Page{Limit: 9})
			same(t, "left", 0, len(left))
			return err
		})
	}
}
