package credential

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// An API key is 40 characters of base64url, 30 bytes: three that spell "AQVN",
// 23 random ones (184 bits), and the big-endian CRC-32C of those 26. The last
// six characters are shown in the mask and hold no "-" [API fact: API key
// AQVN[A-Za-z0-9_-]{35,38}, masked_secret ****[a-zA-Z0-9_]{6}; the checksum is
// ours, laid out as in static access keys].
const (
	apiKeyPrefix  = "AQVN"
	apiKeyLength  = 40
	apiKeyChecked = 26 // bytes before the checksum
	apiKeyShown   = 6
	kindAPIKey    = "an API key"
)

var (
	keyText    = base64.RawURLEncoding.Strict()
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// NewAPIKey is a fresh API key's secret, with all that is kept of it. The other
// fields of the row are the caller's.
func NewAPIKey() (iam.Secret, *iam.APIKey) {
	raw := make([]byte, keyText.DecodedLen(apiKeyLength))
	_, _ = keyText.Decode(raw, []byte(apiKeyPrefix))
	for {
		_, _ = rand.Read(raw[len(apiKeyPrefix)*6/8 : apiKeyChecked])
		binary.BigEndian.PutUint32(raw[apiKeyChecked:], crc32.Checksum(raw[:apiKeyChecked], castagnoli))
		text := keyText.EncodeToString(raw)
		if !APIKeyForm(text) { // the mask would show a "-": about one in eleven
			continue
		}
		hash := sha256.Sum256([]byte(text))
		return iam.NewSecret(text), &iam.APIKey{
			MaskedSecret: "****" + text[apiKeyLength-apiKeyShown:], Lookup: lookupOf(&hash), Hash: hash[:]}
	}
}

// APIKeyForm tells whether a text may be an API key of a Propusk server: the
// length, the alphabet, the prefix, the checksum.
func APIKeyForm(text string) bool {
	if len(text) != apiKeyLength || !strings.HasPrefix(text, apiKeyPrefix) ||
		strings.IndexByte(text[apiKeyLength-apiKeyShown:], '-') >= 0 || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return false
	}
	var raw [apiKeyLength * 6 / 8]byte
	n, err := keyText.Decode(raw[:], []byte(text))
	return err == nil && n == len(raw) &&
		binary.BigEndian.Uint32(raw[apiKeyChecked:]) == crc32.Checksum(raw[:apiKeyChecked], castagnoli)
}

func lookupOf(hash *[sha256.Size]byte) string { return hex.EncodeToString(hash[:sha256.Size/2]) }

// APIKeys is what an API key's proof reads besides the account.
type APIKeys interface {
	Accounts
	// FindAPIKey is the key that a look-up leads to; see iam.APIKey.
	FindAPIKey(ctx context.Context, lookup string) (*iam.APIKey, error)
}

// APIKey proves a service account by an API key. It is safe for use by many
// goroutines.
type APIKey struct {
	Reads APIKeys
	Now   func() time.Time
}

// Prove checks an API key. A key that is malformed, unknown or deleted gets one
// and the same answer; only who holds a key learns that it has expired, or of
// its account. It fails with UNAUTHENTICATED, or as the reads fail.
func (p *APIKey) Prove(ctx context.Context, text string) (*Identity, error) {
	if given := kindOf(text); given != "" && given != kindAPIKey {
		return nil, errNotAPIKey(given)
	}
	if !APIKeyForm(text) {
		return nil, errAPIKey
	}
	position := p.Reads.Position() // before the rows: what changes after it ends what is made of this
	hash := sha256.Sum256([]byte(text))
	key, err := p.Reads.FindAPIKey(ctx, lookupOf(&hash))
	if err != nil {
		return nil, goneOr(err, errAPIKey)
	}
	if subtle.ConstantTimeCompare(hash[:], key.Hash) != 1 || len(key.Scopes) == 0 { // nothing would narrow it
		return nil, errAPIKey
	}
	now := p.Now()
	if !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt) {
		return nil, errAPIKeyExpired(key.ID)
	}
	account, err := activeAccount(ctx, p.Reads, key.ServiceAccountID, now)
	if err != nil {
		return nil, err
	}
	ancestors, err := p.Reads.Ancestors(ctx, account.ID)
	if err != nil {
		return nil, goneOr(err, errDeleted(account.ID))
	}
	at := homeOf(ancestors)
	depends := make([]token.Dependency, 0, 5)
	depends = append(depends, token.Dependency{Kind: token.KindCredential, ID: key.ID}, token.Dependency{Kind: token.KindSubject, ID: account.ID})
	return &Identity{
		Subject:        iam.Subject{ID: iam.SubjectID(account.ID), Type: iam.TypeServiceAccount},
		OrganizationID: at.organization, CloudID: at.cloud, FolderID: at.folder,
		How: HowAPIKey, CredentialID: key.ID, Scopes: key.Scopes,
		Position: position, NotAfter: earlier(account.ExpiresAt, key.ExpiresAt), DependsOn: at.dependencies(depends),
	}, nil
}

// earlier is the first of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

var errAPIKey = refuse("api_key_invalid", "The API key is not valid: it is malformed, unknown, or has been deleted")

func errAPIKeyExpired(id string) *iam.Error {
	return refuse("api_key_expired", "The API key %s has expired", id)
}

func errNotAPIKey(given string) *iam.Error {
	return refuse("credential_kind", "The API key is %s: a key that begins with %s is expected", given, apiKeyPrefix)
}
