package cloudapi_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/leak"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// People paste a secret where an id belongs, and most so when they are in a
// hurry to end it: neither the audit log nor any other keeps it.
func TestSecretsInPlaceOfIDsAreNotKept(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	key, _ := credential.NewAPIKey()
	_, static := credential.NewAccessKey()
	for _, secret := range []string{key.Reveal(), static.Reveal()} {
		w.secret(secret)
		w.owner.refuse(t, "revocation.RevokeSubject", &propuskpb.RevokeSubjectRequest{SubjectId: secret}, codes.NotFound, "")
		w.owner.refuse(t, "revocation.RevokeCredential", &propuskpb.RevokeCredentialRequest{CredentialId: secret}, codes.NotFound, "")
		w.owner.refuse(t, "idToken.Create", &propuskpb.CreateIdTokenRequest{ServiceAccountId: secret}, codes.NotFound, "")
		w.owner.refuse(t, "leak.ListSecretTypes", &propuskpb.ListSecretTypesRequest{LeakSourceId: secret}, codes.PermissionDenied, "")
		w.owner.refuse(t, "leak.Inspect", &propuskpb.InspectRequest{Findings: []*propuskpb.Finding{{Type: secret, Payload: secret}}}, codes.InvalidArgument, "")
		call(t, w.owner, "idToken.Create", &propuskpb.CreateIdTokenRequest{ServiceAccountId: w.home.ServiceAccountID, Audience: secret}, new(propuskpb.CreateIdTokenResponse))
		w.inspect(t, leak.AuthorizedKey, secret)
	}
}
