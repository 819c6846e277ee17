package function

import (
	"context"
	"time"
)

// told is what a handler is told of its call [API fact: context of a Python
// handler]. It holds the token: it goes to the handler's process alone, through a
// pipe, and is never printed.
type told struct {
	RequestID string     `json:"request_id"`
	AWSID     string     `json:"aws_request_id"`
	ARN       string     `json:"invoked_function_arn"`
	Name      string     `json:"function_name"` // the id [API fact]
	Version   string     `json:"function_version"`
	FolderID  string     `json:"function_folder_id"`
	Memory    int        `json:"memory_limit_in_mb"`
	Deadline  int64      `json:"deadline_ms"`
	LogGroup  string     `json:"log_group_name"` // empty: logs are in no group here
	LogStream string     `json:"log_stream_name"`
	Token     *toldToken `json:"token"`
}

type toldToken struct {
	Text      string `json:"access_token"`
	ExpiresIn int64  `json:"expires_in"` // seconds from the call's start, rounded down
	Type      string `json:"token_type"`
}

func (r *Runner) told(ctx context.Context, c Call, now time.Time) (*told, error) {
	t := &told{RequestID: c.RequestID, AWSID: c.RequestID, ARN: r.f.ID, Name: r.f.ID, Version: r.f.Version, FolderID: r.f.FolderID,
		Memory: r.f.Memory, LogStream: r.f.Version}
	if r.f.Token != nil {
		got, err := r.f.Token(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, &Failure{Status: 503, Type: "ServiceUnavailable", Message: "there is no token for the function's account: " + err.Error()}
		}
		now = r.f.Now() // getting it may have taken a while
		r.f.Log.Hide(got.Text)
		t.Token = &toldToken{got.Text.Reveal(), int64(got.ExpiresAt.Sub(now) / time.Second), "Bearer"}
	}
	t.Deadline = now.Add(r.f.Timeout).UnixMilli()
	return t, nil
}
