package accessservice_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// What another node imports, and what a role no longer holds, is in force here
// when the feed has told of it, though nothing but this service is ever asked.
func TestRolesOfOtherNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	holds := func(permission string) {
		t.Helper()
		w.update(t, func(tx *store.Tx) error {
			return store.PutDefinition(tx, &store.Definition{Kind: store.DefinesRole, ID: "acme.night", ModifiedAt: tx.Now(),
				Body: `{"id":"acme.night","description":"d","permissions":["` + permission + `"]}`})
		})
	}
	w.bind(t, w.FolderID, "acme.night", iam.Subject{ID: iam.SubjectID(w.ServiceAccountID), Type: iam.TypeServiceAccount})
	may := func(permission string, want codes.Code) {
		t.Helper()
		_, err := w.authorize(t, v2, withToken(w.token, permission, "ydb.database", w.database))
		expect(t, permission, err, want, "")
	}
	const some = "iam.serviceAccounts.createToken"
	for range 2 {
		holds("acme.gizmos.get")
		may("acme.gizmos.get", codes.OK)
		may(some, codes.PermissionDenied)
		holds(some)
		may(some, codes.OK)
		may("acme.gizmos.get", codes.InvalidArgument) // it is in no role any more
	}
	holds("acme.gizmos.get")
	may(some, codes.PermissionDenied)
}
