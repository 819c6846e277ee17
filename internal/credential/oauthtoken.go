package credential

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// An OAuth token is "y0_" and 55 characters of base64url, 41 bytes: 37 random
// ones (296 bits) and the big-endian CRC-32 (IEEE) of those [API fact: OAuth
// token y[0-3]_[-_A-Za-z0-9]{55} and its checksum].
const (
	oauthPrefix  = "y0_"
	oauthLength  = len(oauthPrefix) + 55
	oauthChecked = 37 // bytes before the checksum
	oauthShown   = 4  // characters at the end that its owner is shown
)

var oauthText = base64.RawURLEncoding.Strict()

// NewOAuthToken is a fresh OAuth token, with all that is kept of it. The other
// fields of the row are the caller's.
func NewOAuthToken() (iam.Secret, *iam.OAuthToken) {
	var raw [oauthChecked + 4]byte
	_, _ = rand.Read(raw[:oauthChecked])
	binary.BigEndian.PutUint32(raw[oauthChecked:], crc32.ChecksumIEEE(raw[:oauthChecked]))
	text := oauthPrefix + oauthText.EncodeToString(raw[:])
	hash := sha256.Sum256([]byte(text))
	return iam.NewSecret(text), &iam.OAuthToken{
		Masked: oauthPrefix + "****" + text[oauthLength-oauthShown:], Lookup: lookupOf(&hash), Hash: hash[:]}
}

// OAuthTokenForm tells whether a text may be an OAuth token of a Propusk
// server: the length, the alphabet, the prefix, the checksum.
func OAuthTokenForm(text string) bool {
	if len(text) != oauthLength || !strings.HasPrefix(text, oauthPrefix) || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return false
	}
	var raw [oauthChecked + 4]byte
	n, err := oauthText.Decode(raw[:], []byte(text[len(oauthPrefix):]))
	return err == nil && n == len(raw) && binary.BigEndian.Uint32(raw[oauthChecked:]) == crc32.ChecksumIEEE(raw[:oauthChecked])
}

// OAuthTokens is what an OAuth token's proof reads besides the account.
type OAuthTokens interface {
	People
	// FindOAuthToken is the token that a look-up leads to; see iam.OAuthToken.
	FindOAuthToken(ctx context.Context, lookup string) (*iam.OAuthToken, error)
}

// OAuthToken proves a person by an OAuth token. It is safe for use by many
// goroutines.
type OAuthToken struct {
	Reads OAuthTokens
	Now   func() time.Time
}

// Prove checks an OAuth token. One that is malformed, unknown, revoked or
// expired gets one and the same answer; only who holds a live one learns that
// the account is suspended.
//
// What is made of it depends on the person and not on the token: that goes on
// when the token is revoked [API fact: revocation of OAuth tokens], but ends no
// later than the token would. Of a person who is a member of one organization
// the identity is that organization's, and ends with the membership; of any
// other it is no organization's. It fails with UNAUTHENTICATED, or as the reads
// fail.
func (p *OAuthToken) Prove(ctx context.Context, text string) (*Identity, error) {
	if given := kindOf(text); given != "" && given != kindOAuthToken {
		return nil, errNotOAuthToken(given)
	}
	if !OAuthTokenForm(text) {
		return nil, errOAuthToken
	}
	position := p.Reads.Position() // before the rows: what changes after it ends what is made of this
	hash := sha256.Sum256([]byte(text))
	t, err := p.Reads.FindOAuthToken(ctx, lookupOf(&hash))
	if err != nil {
		return nil, goneOr(err, errOAuthToken)
	}
	if subtle.ConstantTimeCompare(hash[:], t.Hash) != 1 || !p.Now().Before(t.ExpiresAt) {
		return nil, errOAuthToken
	}
	if err := activePerson(ctx, p.Reads, t.UserID); err != nil {
		return nil, err
	}
	id := &Identity{
		Subject: iam.Subject{ID: iam.SubjectID(t.UserID), Type: iam.TypeUserAccount},
		How:     HowOAuthToken, CredentialID: t.ID, Position: position, NotAfter: t.ExpiresAt,
		DependsOn: []token.Dependency{{Kind: token.KindSubject, ID: t.UserID}},
	}
	if err := belong(ctx, p.Reads, id); err != nil {
		return nil, err
	}
	return id, nil
}

// People is what every proof of a person reads.
type People interface {
	Accounts
	// Organizations are those that a subject is a member of.
	Organizations(ctx context.Context, subject iam.SubjectID) ([]string, error)
}

// belong makes the identity of a person that of his organization, with whose
// membership it ends, when he is a member of one alone.
func belong(ctx context.Context, reads People, id *Identity) error {
	organizations, err := reads.Organizations(ctx, id.Subject.ID)
	if err != nil || len(organizations) != 1 {
		return err
	}
	if m, ok := membership(organizations[0], id.Subject); ok {
		id.OrganizationID = organizations[0]
		id.DependsOn = append(id.DependsOn, m)
	}
	return nil
}

// activePerson refuses a person who may not act.
func activePerson(ctx context.Context, reads Accounts, id string) error {
	u, err := reads.UserAccount(ctx, id)
	if err != nil {
		return goneOr(err, errPersonDeleted(id))
	}
	if u.Status != iam.UserAccountActive {
		return errPersonSuspended(id)
	}
	return nil
}

// The text is known from the API [API fact: texts seen].
var errOAuthToken = refuse("oauth_token_invalid", "OAuth token is invalid or expired")

func errNotOAuthToken(given string) *iam.Error {
	return refuse("credential_kind", "The OAuth token is %s: a token that begins with y0_ is expected", given)
}

func errPersonDeleted(id string) *iam.Error {
	return refuse("account_deleted", "The user account %s has been deleted", id)
}

func errPersonSuspended(id string) *iam.Error {
	return refuse("account_suspended", "The user account %s is suspended", id)
}
