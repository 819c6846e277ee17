package token

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// NeverStale as MaxStaleness makes a verifier go on with what it last heard,
// however long ago: revocations may then be missed without limit.
const NeverStale time.Duration = -1

// NoClockSkew as ClockSkew takes a token only from its IssuedAt on.
const NoClockSkew time.Duration = -1

// What zero means in a Config.
const (
	DefaultMaxStaleness = 60 * time.Second
	DefaultClockSkew    = 60 * time.Second
	DefaultMaxTokens    = 16384
)

// Config is what a Verifier needs to be told. A service sets BaseURL and Root
// and calls Follow; the server itself sets Local and calls Load.
type Config struct {
	// BaseURL is where the server publishes, such as "https://iam.example.com";
	// its path, if any, stands before /.well-known/propusk/.
	BaseURL string
	// Root is the pinned key that certifies the keys by which the server signs
	// what it publishes.
	Root ed25519.PublicKey
	// HTTPClient fetches; nil means one of the verifier's own. Redirects are
	// refused whatever it says, and timeouts are set for each request.
	HTTPClient *http.Client
	// MaxStaleness is how long tokens are taken after the server was last known
	// to be up to date, on the verifier's own monotonic clock. 0 means
	// DefaultMaxStaleness. NeverStale is the one way to switch this off.
	// A Local verifier has no such limit: its owner knows how stale it is.
	MaxStaleness time.Duration
	// Report, if set, is called by Follow with each failure and with nil after
	// each success, from one goroutine. The verifier itself writes no logs.
	Report func(error)

	// Local means that this program calls Load, Advance and SetKeys.
	Local bool

	// ClockSkew is how far in the future IssuedAt may lie. 0 means
	// DefaultClockSkew, NoClockSkew none. Expiry is exact.
	ClockSkew time.Duration
	// MaxTokens bounds how many tokens are remembered, about 1.5 KB each; it
	// is rounded up to a power of two. 0 means DefaultMaxTokens.
	MaxTokens int
	// Now is the clock; nil means time.Now. Its monotonic reading, if there
	// is one, is what staleness is counted on.
	Now func() time.Time
}

// complete fills in what zero means and reports all problems at once.
func (c Config) complete() (Config, error) {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("token.Config: "+format, args...))
	}
	if c.Local {
		if c.BaseURL != "" || c.Root != nil {
			problem("Local excludes BaseURL and Root")
		}
	} else {
		if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
			(u.Scheme != "https" && u.Scheme != "http") {
			problem("BaseURL %q is not an http or https address", c.BaseURL)
		}
		if len(c.Root) != ed25519.PublicKeySize {
			problem("Root has %d bytes, not %d", len(c.Root), ed25519.PublicKeySize)
		}
	}
	switch {
	case c.MaxStaleness == 0:
		c.MaxStaleness = DefaultMaxStaleness
	case c.MaxStaleness != NeverStale && c.MaxStaleness < time.Second:
		problem("MaxStaleness %v is below one second", c.MaxStaleness)
	}
	switch {
	case c.ClockSkew == 0:
		c.ClockSkew = DefaultClockSkew
	case c.ClockSkew == NoClockSkew:
		c.ClockSkew = 0
	case c.ClockSkew < 0 || c.ClockSkew > time.Hour:
		problem("ClockSkew %v is not between 0 and one hour", c.ClockSkew)
	}
	if c.MaxTokens == 0 {
		c.MaxTokens = DefaultMaxTokens
	}
	if c.MaxTokens < 0 || c.MaxTokens > 1<<24 {
		problem("MaxTokens %d is not between 1 and %d", c.MaxTokens, 1<<24)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	return c, errors.Join(problems...)
}
