package iamclient

import (
	"context"
	"time"

	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/propusk/propusk/internal/iam"
)

// EphemeralRequest says which ephemeral access key is wanted.
type EphemeralRequest struct {
	SubjectID   string        // "": the bearer himself
	SessionName string        // 1 to 64 letters, digits and _+=,.@-
	Policy      string        // a session policy, at most 2048 characters; "": none
	Life        time.Duration // 15 min to 12 h; 0: as long as may be
}

// AccessKey is an ephemeral access key. ExpiresAt is told by this machine's clock.
type AccessKey struct {
	ID           string
	Secret       iam.Secret
	SessionToken iam.Secret
	ReceivedAt   time.Time
	ExpiresAt    time.Time
}

// Ephemeral makes an ephemeral access key for the owner of bearer, or for a
// service account on which he may make them. It ends with bearer, or sooner.
func (c *Client) Ephemeral(ctx context.Context, bearer iam.Secret, r EphemeralRequest) (AccessKey, error) {
	m := &awspb.CreateEphemeralAccessKeyRequest{SubjectId: r.SubjectID, SessionName: r.SessionName, Policy: r.Policy}
	if r.Life > 0 {
		m.Duration = durationpb.New(r.Life)
	}
	answer := new(awspb.CreateEphemeralAccessKeyResponse)
	if err := c.call(ctx, awspb.TemporaryAccessKeyService_CreateEphemeral_FullMethodName, m, answer, bearer); err != nil {
		return AccessKey{}, err
	}
	now := c.now()
	if answer.GetAccessKeyId() == "" || answer.GetSecret() == "" || CheckToken(answer.GetSessionToken()) != nil {
		return AccessKey{}, iam.Errorf(iam.Internal, "the answer holds no access key")
	}
	life := unknownLife
	if answer.GetExpiresAt().IsValid() {
		life = c.life(answer.GetExpiresAt().AsTime(), now)
	}
	if r.Life > 0 {
		life = min(life, r.Life) // no clock makes it longer than was asked for
	}
	return AccessKey{ID: answer.GetAccessKeyId(), Secret: iam.NewSecret(answer.GetSecret()), SessionToken: iam.NewSecret(answer.GetSessionToken()),
		ReceivedAt: now, ExpiresAt: now.Add(life)}, nil
}
