package credential

import (
	"context"
	"slices"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// HowRefreshToken is a proof by a refresh token.
const HowRefreshToken = "refreshToken"

// Granted proves a person to a program that holds something of a grant of his.
// It is safe for use by many goroutines.
type Granted struct{ Reads People }

// Prove checks that the person of a grant may act. What is made of it depends on
// the grant, on the person, and on what the program is proved by, which the
// caller gives along with the position that it was read at. It fails with
// UNAUTHENTICATED for a person who is suspended or gone, or as the reads fail.
func (p *Granted) Prove(ctx context.Context, g *iam.OAuthGrant, how, credentialID string, client *ProvedOAuthClient) (*Identity, error) {
	position := min(p.Reads.Position(), client.Position) // before the rows: what changes after it ends what is made of this
	if err := activePerson(ctx, p.Reads, g.UserID); err != nil {
		return nil, err
	}
	id := &Identity{
		Subject: iam.Subject{ID: iam.SubjectID(g.UserID), Type: iam.TypeUserAccount},
		How:     how, CredentialID: credentialID, Position: position,
		DependsOn: []token.Dependency{{Kind: token.KindCredential, ID: g.ID}, {Kind: token.KindSubject, ID: g.UserID}},
	}
	if err := belong(ctx, p.Reads, id); err != nil {
		return nil, err
	}
	for _, d := range client.DependsOn {
		if !slices.Contains(id.DependsOn, d) {
			id.DependsOn = append(id.DependsOn, d)
		}
	}
	return id, nil
}
