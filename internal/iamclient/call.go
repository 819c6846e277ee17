package iamclient

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
)

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// call calls a method, again while IAM cannot be reached, until ctx ends. Every
// method here makes a credential and changes nothing, so that a call whose answer
// was lost may be made twice. secrets are what is sent: should the server repeat
// one of them in an error, it is taken out.
func (c *Client) call(ctx context.Context, method string, request, into proto.Message, bearer iam.Secret, secrets ...iam.Secret) error {
	if bearer.Reveal() != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+bearer.Reveal())
		secrets = append(secrets, bearer)
	}
	var last error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		retry, err := c.once(ctx, method, request, into, secrets)
		switch {
		case err == nil:
			return nil
		case ctx.Err() == nil:
			last = err
		case last == nil:
			last = err
		}
		if !retry || ctx.Err() != nil {
			return last
		}
		if !sleep(ctx, pause/2+rand.N(pause)) {
			return last // what the server said is worth more than that time is up
		}
	}
}

// once calls a method and tells whether another try may do better.
func (c *Client) once(ctx context.Context, method string, request, into proto.Message, secrets []iam.Secret) (retry bool, err error) {
	limited, cancel := context.WithTimeout(ctx, c.attempt)
	defer cancel()
	var header, trailer metadata.MD
	err = c.conn.Invoke(limited, method, request, into, grpc.Header(&header), grpc.Trailer(&trailer))
	if err == nil {
		return false, nil
	}
	st := status.Convert(err)
	if st.Code() == codes.DeadlineExceeded && ctx.Err() == nil { // of this try alone, at whichever end it was noticed
		st = status.New(codes.Unavailable, "no answer within "+c.attempt.String())
	}
	return st.Code() == codes.Unavailable, refusalOf(st, metadata.Join(header, trailer), secrets)
}

// sleep waits, and tells whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
