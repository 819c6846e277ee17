package credential

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/token"
)

// Signature is what a service shows of a request that a static or a temporary
// access key has signed: the service made the string to sign of the request itself.
type Signature struct {
	AccessKeyID  string
	StringToSign string
	Signature    string
	SessionToken string    // of a temporary key; "" for a static one
	V2           string    // method of version 2, HMAC_SHA1 or HMAC_SHA256; "" for version 4
	SignedAt     time.Time // of version 4, as are the following: what the service read in the request
	Service      string
	Region       string

	life time.Duration // of a presigned request of version 4, counted from SignedAt
}

// Methods of version 2.
const (
	hmacSHA1   = "HMAC_SHA1"
	hmacSHA256 = "HMAC_SHA256"
)

// AccessKeys is what a signature's proof reads besides the account.
type AccessKeys interface {
	Accounts
	// FindAccessKey is the key that signed requests name so, with its secret.
	FindAccessKey(ctx context.Context, keyID string) (*replica.AccessKey, error)
}

// AccessKey proves a subject by a signature that one of its access keys made
// over a string to sign: a service account by a static one, any subject by a
// temporary one. It is safe for use by many goroutines.
type AccessKey struct {
	Reads AccessKeys
	Now   func() time.Time

	// Sessions and Ended prove temporary keys; without them none is good. Ended
	// tells, as token.Verifier does, whether something was ended since a
	// position of the feed. It must have been told every revocation up to the
	// position that Reads.Position returns.
	Sessions Sessions
	Ended    func(position uint64, depends []token.Dependency) error

	derived derivedKeys
}

// Prove checks a signature. The string to sign is judged first: its form, that
// it agrees with what the service says of it, its time. Then the key and the
// signature, which get one and the same answer when either is not good; only
// whose signature verified learns of the account. A good signature can be shown
// again as long as its time allows: 15 minutes, or until the end that a
// presigned request of version 2 names. It fails with UNAUTHENTICATED, or as
// the reads fail.
func (p *AccessKey) Prove(ctx context.Context, s Signature) (*Identity, error) {
	if given := kindOf(s.AccessKeyID); given != "" && given != kindAccessKeyID {
		return nil, errNotAccessKeyID(given)
	}
	now := p.Now()
	if err := s.judge(now); err != nil {
		return nil, err
	}
	if !legalKeyID(s.AccessKeyID) {
		return nil, errAccessKey
	}
	if s.SessionToken != "" {
		return p.proveTemporary(ctx, s, now)
	}
	position := p.Reads.Position() // before the rows: what changes after it ends what is made of this
	key, err := p.Reads.FindAccessKey(ctx, s.AccessKeyID)
	if err != nil {
		return nil, goneOr(err, errAccessKey)
	}
	if !p.derived.made(&s, key) {
		return nil, errAccessKey
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
		How: HowAccessKey, CredentialID: key.ID,
		Position: position, NotAfter: account.ExpiresAt, DependsOn: at.dependencies(depends),
	}, nil
}

// judge says what is wrong with a signature whatever the key.
func (s *Signature) judge(now time.Time) error {
	switch s.V2 {
	case "":
		return s.judgeV4(now)
	case hmacSHA1, hmacSHA256:
		return judgeV2(s.StringToSign, now)
	}
	return errSignatureMethod
}

// madeWith tells whether a secret made the signature.
func (s *Signature) madeWith(secret iam.Secret) bool { return s.matches(s.keyOf(secret)) }

// keyOf is the key of the HMAC that a secret makes the signature with.
func (s *Signature) keyOf(secret iam.Secret) []byte {
	if s.V2 == "" {
		return signingKey(secret, s.SignedAt, s.Region, s.Service)
	}
	return []byte(secret.Reveal())
}

// matches tells whether a key made the signature.
func (s *Signature) matches(key []byte) bool {
	switch s.V2 {
	case "":
		return s.is(hex.AppendEncode(nil, mac(sha256.New, key, s.StringToSign)))
	case hmacSHA1:
		return s.is(base64.StdEncoding.AppendEncode(nil, mac(sha1.New, key, s.StringToSign)))
	case hmacSHA256:
		return s.is(base64.StdEncoding.AppendEncode(nil, mac(sha256.New, key, s.StringToSign)))
	}
	return false
}

// is tells whether the signature is the one that it should be. It has one
// spelling, and comparing takes the same time wherever it differs.
func (s *Signature) is(want []byte) bool {
	return subtle.ConstantTimeCompare(want, []byte(s.Signature)) == 1
}

func mac(of func() hash.Hash, key []byte, text string) []byte {
	h := hmac.New(of, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Refusals of a signature. The last is one for an unknown key, a deleted one,
// a secret that is not the key's, and a signature that was changed.
var (
	errSignatureMethod = refuse("signature_method", "The signature is of neither version 4 nor HMAC_SHA1 or HMAC_SHA256 of version 2")
	errStringToSign    = refuse("signature_malformed", "The string to sign is not one of version 4: "+
		"four lines, which are AWS4-HMAC-SHA256, the time, the scope and a SHA-256 in hexadecimal")
	errSignedAt       = refuse("signature_scope", "The time in the string to sign is not 'signed_at', or its scope has another date")
	errSignedScope    = refuse("signature_scope", "The scope in the string to sign is not that of 'region' and 'service'")
	errSignatureOld   = refuse("signature_expired", "The signature has expired: it is accepted for 15 minutes")
	errSignatureNew   = refuse("signature_not_yet_valid", "The signature is not valid yet: its time is more than 15 minutes ahead")
	errStringToSignV2 = refuse("signature_malformed", "The string to sign of version 2 has no time that can be read: "+
		"its fourth line is a date, or the end of a presigned request's life, or is empty and one x-amz-date line follows")
	errPresignedOld = refuse("signature_expired", "The presigned request has expired")
	errPresignedNew = refuse("signature_not_yet_valid", "The presigned request is good for more than 7 days")

	errAccessKey = refuse("access_key_invalid", "The signature is not valid: the access key is unknown or has been deleted, or did not make it")
)

func errNotAccessKeyID(given string) *iam.Error {
	return refuse("credential_kind", "The access key ID is %s: the id of a static access key is expected", given)
}
