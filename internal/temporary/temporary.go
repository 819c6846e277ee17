// Package temporary is the format of temporary access keys: the session token
// "s1.…" that requests carry, and the secret that goes with it. Whoever holds
// the key of the installation that made a token can check it and derive its
// secret again, so a temporary access key needs no row. What a session may do,
// and whether it was ended early, is decided elsewhere.
package temporary

import (
	"errors"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// Limits of the format. A session outside them is refused.
const (
	// MinLength and MaxLength bound a session token, in characters. Without a
	// policy it has 285 unless its names are long [API fact: about 285].
	MinLength = len(prefix) + minPayloadText + 1 + tagText
	MaxLength = len(prefix) + maxPayload*4/3 + 1 + tagText
	// MaxName and MaxPolicy bound a session's name and policy, in bytes: a
	// token must fit into a header, and so into 8,192 characters.
	MaxName   = 64
	MaxPolicy = 4096
	// MaxDependencies is how many a session has at most: what an IAM token may
	// have, and the key that signed the one that the session was made of.
	MaxDependencies = token.MaxDependencies + 1
	// MaxLife is the longest time between IssuedAt and ExpiresAt.
	MaxLife = token.MaxLife
)

// Session is what a session token says. Times are in UTC with millisecond
// precision.
type Session struct {
	ID    string // by which it is revoked, as token.KindSession
	KeyID string // of the installation's key that made the token

	// AccessKeyID is what signed requests name: the static access key whose
	// child this is, or an id of its own when Ephemeral.
	AccessKeyID string
	Ephemeral   bool
	Name        string // that the caller gave it
	Policy      string // JSON of internal/sessionpolicy; "" limits nothing

	Subject        iam.Subject
	OrganizationID string // of the subject; may be empty
	CloudID        string // of a service account; may be empty
	FolderID       string // of a service account; empty for others

	IssuedAt  time.Time
	ExpiresAt time.Time    // the first moment at which it is no longer valid
	Position  iam.Position // of the change feed, before the caller was proved

	// DependsOn is what ends the session when it ends: each pair once, the
	// session itself among them. The installation's key and the installation
	// are implied and not listed. Parsed sessions have the session itself
	// first, the rest ascending by kind and id.
	DependsOn []token.Dependency
}

var (
	// ErrMalformed means that a text is no session token of the key that it is
	// shown to: of another key, altered, cut short or spelled differently.
	ErrMalformed = errors.New("malformed session token")
	// ErrSession is why Make refuses a session that no token can carry.
	ErrSession = errors.New("invalid session")
)

// subjectTypes are what a session's subject can be, by their numbers in the
// payload less one. Numbers are never reused.
var subjectTypes = [...]iam.SubjectType{iam.TypeServiceAccount, iam.TypeUserAccount, iam.TypeFederatedUser}
