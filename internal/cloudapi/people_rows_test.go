package cloudapi_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
	"github.com/propusk/propusk/token"
)

func init() {
	services["user"] = "yandex.cloud.organizationmanager.v1.UserService"
	services["account"] = "yandex.cloud.iam.v1.UserAccountService"
	services["passport"] = "yandex.cloud.iam.v1.YandexPassportUserAccountService"
	services["subject"] = "yandex.cloud.iam.v1.SubjectDetailsService"
	services["service"] = "yandex.cloud.iam.v1.ServiceControlService"
	areaRows = append(areaRows, peopleRows)
}

func peopleRows(w *world) []row {
	cloud := &iampb.Resource{Id: w.home.CloudID, Type: string(resource.Cloud)}
	folder := &iampb.Resource{Id: w.home.FolderID, Type: string(resource.Folder)}
	return []row{
		{"user.ListMembers", "UNDDDD+", fixed(&ompb.ListMembersRequest{OrganizationId: w.home.OrganizationID})},
		{"user.DeleteMembership", "UNDDDD+", func(t *testing.T, w *world, n int) proto.Message {
			return &ompb.DeleteMembershipRequest{OrganizationId: w.home.OrganizationID,
				SubjectId: w.person(t, fmt.Sprintf("leaves-%d", n), w.home.OrganizationID)}
		}},
		{"account.Get", "U++++++", func(t *testing.T, w *world, n int) proto.Message {
			return &iampb.GetUserAccountRequest{UserAccountId: w.person(t, fmt.Sprintf("seen-%d", n), w.home.OrganizationID)}
		}},
		{"passport.GetByLogin", "U++++++", fixed(&iampb.GetUserAccountByLoginRequest{Login: "alice"})},
		{"subject.Get", "UNN++++", fixed(&iampb.GetSubjectRequest{SubjectId: w.home.ServiceAccountID})},
		{"subject.List", "UND++++", fixed(&iampb.ListSubjectsRequest{ResourceContext: folder})},
		{"subject.BatchGet", "UND++++", fixed(&iampb.BatchGetSubjectsRequest{SubjectIds: []string{w.home.ServiceAccountID}, ResourceContext: folder})},
		{"service.Get", "UND++++", fixed(&iampb.GetServiceRequest{ServiceId: "compute", Resource: cloud})},
		{"service.List", "UND++++", fixed(&iampb.ListServicesRequest{Resource: cloud})},
		{"service.Enable", "UNDDD++", fixed(&iampb.EnableServiceRequest{ServiceId: "compute", Resource: cloud})},
		{"service.Disable", "UNDDD++", fixed(&iampb.DisableServiceRequest{ServiceId: "storage", Resource: cloud})},
		{"service.ResolveAgent", "UND++++", func(t *testing.T, w *world, _ int) proto.Message {
			w.owner.operate(t, "service.Enable", &iampb.EnableServiceRequest{ServiceId: "ydb", Resource: cloud})
			return &iampb.ResolveServiceAgentRequest{ServiceId: "ydb", MicroserviceId: "backups", Resource: cloud}
		}},
	}
}

// person is somebody who is a member of organizations.
func (w *world) person(t *testing.T, login string, organizations ...string) (id string) {
	t.Helper()
	made, err := w.Server.Server.AddUser(t.Context(), server.UserAddRequest{
		Login: login, Email: login + "@example.org", Name: "Person " + login, Organizations: organizations})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// newWorldOfPeople is a world in which asPerson works: its master key is the test's.
func newWorldOfPeople(t *testing.T) (w *world, asPerson func(id string) *caller) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(path, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, propusktest.WithConfig(func(c *server.Config) { c.MasterKey.File = path }))
	box, err := seal.Load(t.Context(), "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	db := w.Server.Server.DB()
	ring, err := mint.OpenKeyring(t.Context(), mint.KeyringConfig{DB: db, Box: box, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	minter := mint.NewMinter(ring, time.Now)
	return w, func(id string) *caller {
		t.Helper()
		var at iam.Position
		if err := db.View(t.Context(), func(tx *store.Tx) (err error) { at, err = tx.Head(); return err }); err != nil {
			t.Fatal(err)
		}
		text, _, err := minter.Mint(t.Context(), mint.Request{
			Subject:  iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount},
			Position: at, DependsOn: []token.Dependency{{Kind: token.KindSubject, ID: id}}})
		if err != nil {
			t.Fatal(err)
		}
		c := w.withToken(t, w.secret(text))
		c.id = id
		return c
	}
}
