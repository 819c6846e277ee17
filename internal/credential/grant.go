package credential

import (
	"context"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/token"
)

// How a person is proved by a program that he has allowed to act for him.
const (
	HowAuthorizationCode = "authorizationCode"
	HowAccessToken       = "accessToken"
	HowDeviceCode        = "deviceCode"
	HowRefreshToken      = "refreshToken"
)

// Grant makes out whom a program acts for by an iam.OAuthGrant. It is safe for
// use by many goroutines.
type Grant struct {
	Reads People
	Now   func() time.Time
}

// Prove is the person of a grant to a client, who was found by a proof of kind how.
// position is one that was applied before the grant was read. What is made of it
// depends on the grant and the person; and with a client of somebody's, on the
// client, what it stands in, and the person's membership of its organization. It
// fails with UNAUTHENTICATED, also for a person who is suspended or has left that
// organization, or as the reads fail.
func (p *Grant) Prove(ctx context.Context, position iam.Position, how string, g *iam.OAuthGrant, client *iam.OAuthClient) (*Identity, error) {
	if err := activePerson(ctx, p.Reads, g.UserID); err != nil {
		return nil, err
	}
	id := &Identity{
		Subject: iam.Subject{ID: iam.SubjectID(g.UserID), Type: iam.TypeUserAccount},
		How:     how, CredentialID: g.ID, Position: position,
		DependsOn: []token.Dependency{{Kind: token.KindCredential, ID: g.ID}, {Kind: token.KindSubject, ID: g.UserID}},
	}
	if err := belong(ctx, p.Reads, id); err != nil {
		return nil, err
	}
	if oauthclient.Builtin(client.ID) != nil {
		return id, nil
	}
	home, err := homeOfClient(ctx, p.Reads, client)
	if err != nil {
		return nil, err
	}
	member, err := p.Reads.Organizations(ctx, id.Subject.ID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(member, home.organization) {
		return nil, errNotMember
	}
	id.DependsOn = home.dependencies(append(id.DependsOnIn(home.organization), token.Dependency{Kind: token.KindCredential, ID: client.ID}))
	return id, nil
}

// InSession makes an identity end with a session, which has been seen just now.
func (p *Grant) InSession(id *Identity, s *iam.Session, idle time.Duration) {
	id.DependsOn = append(slices.Clone(id.DependsOn), token.Dependency{Kind: token.KindSession, ID: s.ID})
	id.NotAfter = earlier(id.NotAfter, earlier(s.ExpiresAt, p.Now().Add(idle)))
}

func homeOfClient(ctx context.Context, reads Accounts, client *iam.OAuthClient) (home, error) {
	ancestors, err := reads.Ancestors(ctx, client.FolderID)
	if err != nil {
		return home{}, goneOr(err, errOAuthClient)
	}
	return homeOf(ancestors), nil
}

var errNotMember = refuse("membership_ended", "The person is no member of the organization that the program belongs to")
