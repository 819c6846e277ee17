package credential

import (
	"context"

	"github.com/propusk/propusk/internal/temporary"
)

// LiveSession reads a session token that somebody has found, and tells of what
// is over as Prove would. It proves nobody: that takes a signature, too. It
// fails with UNAUTHENTICATED, with UNAVAILABLE while it is not known what was
// ended, or as the reads fail.
func (p *AccessKey) LiveSession(ctx context.Context, text string) (*temporary.Session, error) {
	if p.Sessions == nil || p.Ended == nil {
		return nil, errTemporaryKey
	}
	session, _, err := p.Sessions.OpenSession(text)
	if err != nil {
		return nil, errTemporaryKey
	}
	if err := p.live(ctx, session, p.Now()); err != nil {
		return nil, err
	}
	return session, nil
}
