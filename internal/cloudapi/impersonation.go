package cloudapi

import (
	"context"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/token"
)

// Accounts is what impersonation reads, at a position of the feed: the caller's
// or a later one.
type Accounts interface {
	Position() iam.Position
	ServiceAccount(ctx context.Context, id string) (*iam.ServiceAccount, error)
	Ancestors(ctx context.Context, id string) ([]resource.Ref, error)
}

// Impersonation is a service account in whose name a caller gets a credential,
// and what ends that credential: all that ends the caller's own and all that
// ends the account's.
type Impersonation struct {
	Subject        iam.Subject
	OrganizationID string
	CloudID        string
	FolderID       string
	Position       iam.Position
	NotAfter       time.Time // the end of the caller's credential or of the account; zero: neither has one
	DependsOn      []token.Dependency
}

// Impersonate reads the account for a caller who may act in its name. A
// suspended one is FAILED_PRECONDITION, one that is gone NOT_FOUND.
func Impersonate(ctx context.Context, reads Accounts, caller *credential.Identity, id string, now time.Time) (*Impersonation, error) {
	at := min(caller.Position, reads.Position()) // before the rows: what changes after it ends what is made
	account, err := reads.ServiceAccount(ctx, id)
	if err != nil {
		return nil, err
	}
	if account.StatusAt(now) != iam.ServiceAccountActive {
		return nil, iam.Errorf(iam.FailedPrecondition, "Service account %s is suspended", account.ID)
	}
	path, err := reads.Ancestors(ctx, account.ID)
	if err != nil {
		return nil, err
	}
	i := &Impersonation{
		Subject:  iam.Subject{ID: iam.SubjectID(account.ID), Type: iam.TypeServiceAccount},
		Position: at, NotAfter: caller.NotAfter,
		DependsOn: append(WithSigningKey(caller, caller.DependsOnIn(path[len(path)-1].ID)), token.Dependency{Kind: token.KindSubject, ID: account.ID}),
	}
	if end := account.ExpiresAt; !end.IsZero() && (i.NotAfter.IsZero() || end.Before(i.NotAfter)) {
		i.NotAfter = end
	}
	for _, ref := range path {
		switch ref.Kind {
		case resource.Organization:
			i.OrganizationID = ref.ID
			i.DependsOn = append(i.DependsOn, token.Dependency{Kind: token.KindOrganization, ID: ref.ID})
		case resource.Cloud:
			i.CloudID = ref.ID
			i.DependsOn = append(i.DependsOn, token.Dependency{Kind: token.KindCloud, ID: ref.ID})
		case resource.Folder:
			i.FolderID = ref.ID
			i.DependsOn = append(i.DependsOn, token.Dependency{Kind: token.KindFolder, ID: ref.ID})
		}
	}
	return i, nil
}

// WithSigningKey adds the key that signed the caller's token to what ends it.
// That goes without saying in a token that the key signed, and there the minter
// leaves it out, but not in what another key makes: whoever forges tokens with a
// stolen key would keep what he made of them.
func WithSigningKey(caller *credential.Identity, depends []token.Dependency) []token.Dependency {
	all := slices.Clip(depends)
	if caller.SigningKeyID == "" {
		return all
	}
	return append(all, token.Dependency{Kind: token.KindSigningKey, ID: caller.SigningKeyID})
}
