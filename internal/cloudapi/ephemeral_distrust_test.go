package cloudapi_test

import (
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/server"
)

// Whoever forges IAM tokens with a stolen signing key makes himself ephemeral
// keys of them: what ends those tokens ends these keys, of which no row tells.
func TestEphemeralKeysEndWithTheSigningKeyOfTheirToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, file := w.keyed(t, w.home.FolderID, "forger")
	other := w.newAccount(t, "forged")
	w.bind(t, "sa", other, add("iam.serviceAccounts.ephemeralAccessKeyAdmin", id))
	self := w.login(t, file)
	own, others := w.newEphemeral(t, self, ephemeral("")), w.newEphemeral(t, self, ephemeral(other))
	w.proves(t, "before", own, id)
	w.proves(t, "another's before", others, other)
	if _, err := w.Server.Server.RotateKeys(t.Context(), server.RotateKeysRequest{Distrust: claims(t, self.token).KeyID}); err != nil {
		t.Fatal(err)
	}
	w.provesNobody(t, "after", own, "revoked")
	w.provesNobody(t, "another's after", others, "revoked")
	w.proves(t, "a key of a new token", w.newEphemeral(t, w.login(t, file), ephemeral("")), id)
}

// The same of IAM tokens, when the stolen key has a successor that signs by now.
func TestImpersonatedTokensEndWithTheSigningKeyOfTheirParent(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	id, file := w.keyed(t, w.home.FolderID, "forger")
	other := w.newAccount(t, "forged")
	w.bind(t, "sa", other, add("iam.serviceAccounts.tokenCreator", id))
	self := w.login(t, file)
	if _, err := w.Server.Server.RotateKeys(t.Context(), server.RotateKeysRequest{}); err != nil {
		t.Fatal(err)
	}
	w.clock.add(5 * time.Minute)
	child := w.withToken(t, call(t, self, "token.CreateForServiceAccount", impersonation(other), new(iampb.CreateIamTokenResponse)).GetIamToken())
	stolen := claims(t, self.token).KeyID
	if claims(t, child.token).KeyID == stolen {
		t.Fatal("the successor does not sign yet")
	}
	get := &iampb.GetServiceAccountRequest{ServiceAccountId: other}
	w.bind(t, "sa", other, add("viewer", other))
	call(t, child, "sa.Get", get, new(iampb.ServiceAccount))
	if _, err := w.Server.Server.RotateKeys(t.Context(), server.RotateKeysRequest{Distrust: stolen}); err != nil {
		t.Fatal(err)
	}
	child.refuse(t, "sa.Get", get, codes.Unauthenticated, "revoked")
}
