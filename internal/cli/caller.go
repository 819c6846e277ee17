package cli

import (
	"context"
	"flag"
	"sync"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/token"
)

// Caller is a person, as every client command finds him, for a program that works
// as a service account in his name: it hands out tokens of accounts that he may
// act for, and never his own. It is safe for concurrent use once it is checked.
type Caller struct {
	flags *flag.FlagSet

	mu sync.Mutex
	s  *session
}

// NewCaller declares the flags that say who the person is, and where.
func NewCaller(env Environment, f *flag.FlagSet) *Caller {
	s := &session{env: &env, discovers: true}
	s.declareServer(f)
	f.StringVar(&s.impersonate, "impersonate-service-account-id", "", "be this service account yourself")
	f.StringVar(&s.folderID, "folder-id", "", "the folder of the function, where its account is looked for by name; otherwise $"+envFolder+", otherwise the profile's")
	return &Caller{flags: f, s: s}
}

// Check settles who and where, once the flags are read, and asks nobody. Its
// errors are *Misuse.
func (c *Caller) Check() error { return c.s.checkServer(c.flags) }

// FolderID is where the person works; empty when nothing says so.
func (c *Caller) FolderID() string { return c.s.setting(c.s.folderID, envFolder, "folder-id") }

// ServiceAccount finds the id of an account by its name, or takes it for the id.
func (c *Caller) ServiceAccount(ctx context.Context, nameOrID string) (string, error) {
	if looksLikeID(nameOrID) {
		return nameOrID, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s.find(ctx, serviceAccounts(), nameOrID)
}

// TokenFor makes an IAM token of a service account that the person may act for. It
// lives no longer than the person's own, whatever the server says. It is kept
// nowhere. Its errors are *Misuse and *Failure.
func (c *Caller) TokenFor(ctx context.Context, serviceAccountID string) (iamclient.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The person's token is found anew: the last one may have ended meanwhile.
	c.s.bearer, c.s.expires, c.s.kept = iam.Secret{}, expiry{}, ""
	answer := new(iampb.CreateIamTokenResponse)
	began := c.s.env.Now()
	err := c.s.call(ctx, iampb.IamTokenService_CreateForServiceAccount_FullMethodName,
		&iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: serviceAccountID}, answer)
	if err != nil {
		return iamclient.Token{}, err
	}
	text, err := oneWord(answer.GetIamToken())
	claims, perr := token.ParseUnverified(text)
	switch {
	case err != nil, text == "":
		return iamclient.Token{}, &Failure{Code: iam.Internal, Message: "the server answers with no token"}
	case text == c.s.bearer.Reveal(), perr == nil && claims.SubjectID != serviceAccountID:
		return iamclient.Token{}, &Failure{Code: iam.Internal, Message: "the server answers with a token of another account"}
	}
	got := c.s.received(text, answer.GetExpiresAt(), began)
	made := iamclient.Token{Text: got.Text, ReceivedAt: got.IssuedAt, ExpiresAt: got.ExpiresAt}
	if !c.s.expires.IsZero() && c.s.expires.Before(made.ExpiresAt) {
		made.ExpiresAt = c.s.expires
	}
	return made, nil
}

// Close ends the connections.
func (c *Caller) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.close()
}
