package source

import (
	"log/slog"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Policy is when credentials are renewed. The zero value is the documented one.
type Policy struct {
	// MinimumLife is the part of its life that a credential still has when it is
	// handed out, above 0 and at most 0.9; 0: a half. Less is handed out only
	// while IAM is away.
	MinimumLife float64
	// Recheck is how often a new token is made for an account that is in use,
	// however long the last one lives; 0: 10 min. So a deleted or suspended
	// account, a revoked key and a token that was ended are heard of. Below 0:
	// never before MinimumLife asks for it.
	Recheck time.Duration
	// KeyLife is the life of ephemeral access keys, 15 min to 12 h; 0: 6 h.
	KeyLife time.Duration
	// KeyName is their session name; "": propusk-metadata.
	KeyName string

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // is told when renewal begins and ceases to fail; nil: nobody
}

const (
	defaultMinimumLife = 0.5
	mostMinimumLife    = 0.9
	defaultRecheck     = 10 * time.Minute
	leastRecheck       = 10 * time.Second
	defaultKeyLife     = 6 * time.Hour
	leastKeyLife       = 15 * time.Minute // [API fact: CreateEphemeral]
	mostKeyLife        = 12 * time.Hour
	defaultKeyName     = "propusk-metadata"
	mostKeyName        = 64

	// restAfter is when an access key that nobody has asked for is no longer
	// renewed; the next who asks waits for a new one.
	restAfter = time.Hour
)

// Check says what is wrong with it, as INVALID_ARGUMENT naming the field.
func (p *Policy) Check() error {
	switch {
	case p.MinimumLife < 0 || p.MinimumLife > mostMinimumLife || p.MinimumLife != p.MinimumLife:
		return iam.InvalidField("minimum_life", "must be above 0 and at most %v", mostMinimumLife)
	case p.Recheck > 0 && p.Recheck < leastRecheck:
		return iam.InvalidField("recheck", "must be at least %v", leastRecheck)
	case p.KeyLife != 0 && (p.KeyLife < leastKeyLife || p.KeyLife > mostKeyLife):
		return iam.InvalidField("key_life", "must be %v to %v", leastKeyLife, mostKeyLife)
	case len(p.KeyName) > mostKeyName:
		return iam.InvalidField("key_name", "must be at most %d characters", mostKeyName)
	}
	return nil
}

func (p Policy) withDefaults() Policy {
	if p.MinimumLife == 0 {
		p.MinimumLife = defaultMinimumLife
	}
	if p.Recheck == 0 {
		p.Recheck = defaultRecheck
	}
	if p.KeyLife == 0 {
		p.KeyLife = defaultKeyLife
	}
	if p.KeyName == "" {
		p.KeyName = defaultKeyName
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	return p
}
