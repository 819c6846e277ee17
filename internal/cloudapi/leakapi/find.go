package leakapi

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

// found is a credential of this server that has not ended for good.
type found struct {
	kind    leak.Kind
	id      string // of the key, token or session
	mask    string
	subject iam.Subject        // of an OAuth client its id, without a type
	path    []resource.Ref     // of the subject, itself first; of people their organization
	others  [][]resource.Ref   // the other organizations of a person
	name    string             // of a service account or OAuth client
	dormant bool               // it does not work now, and may again
	half    bool               // what was shown is the public half of a key
	session *temporary.Session // of a session token, which alone is not right enough
	end     func(tx *store.Tx) error
}

// find tells what a text of a kind is here: nil when it is nothing, or a
// credential that has ended for good. It fails when that cannot be found out
// now. Errors quote nothing of the text.
//
// The account's state is no part of it: a suspended account's key works again
// when the account does, so its owner must hear of the leak, and it can be ended.
func (s *Service) find(ctx context.Context, kind leak.Kind, text string) (f *found, err error) {
	text = strings.TrimSpace(text) // finders cut out whole lines
	switch kind {
	case leak.IAMToken:
		f, err = s.findToken(ctx, text)
	case leak.SessionToken:
		f, err = s.findSession(ctx, text)
	case leak.APIKey:
		f, err = s.findAPIKey(ctx, text)
	case leak.AccessSecret:
		f, err = s.findAccessKey(ctx, text)
	case leak.AuthorizedKey:
		f, err = s.findAuthorizedKey(ctx, text)
	case leak.OAuthToken:
		f, err = s.findOAuthToken(ctx, text)
	case leak.OAuthClientSecret:
		f, err = s.findClientSecret(ctx, text)
	case leak.IAMCookie:
		f, err = s.findCookie(ctx, text)
	case leak.RefreshToken:
		f, err = s.findRefreshToken(ctx, text)
	}
	if errors.Is(err, iam.NotFound) {
		return nil, nil
	}
	if err != nil || f == nil {
		return nil, err
	}
	f.kind, f.mask = kind, leak.Mask(kind, text)
	return f, nil
}

func (s *Service) findToken(ctx context.Context, text string) (*found, error) {
	claims, err := s.Verify(text)
	switch {
	case errors.Is(err, token.ErrStale), errors.Is(err, token.ErrNotYetValid): // the latter lives soon
		return nil, &iam.Error{Kind: iam.Unavailable, Message: "Tokens cannot be checked yet", RetryAfter: time.Second}
	case err != nil:
		return nil, nil
	}
	subject := iam.Subject{ID: iam.SubjectID(claims.SubjectID), Type: iam.SubjectType(claims.SubjectType)}
	return s.of(ctx, subject, claims.OrganizationID, &found{id: claims.ID, end: func(tx *store.Tx) error {
		return revocation.Revoke(tx, token.KindToken, claims.ID)
	}})
}

func (s *Service) findSession(ctx context.Context, text string) (*found, error) {
	session, err := s.Session(ctx, text)
	if errors.Is(err, iam.Unauthenticated) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.of(ctx, session.Subject, session.OrganizationID, &found{id: session.ID, session: session, end: func(tx *store.Tx) error {
		return revocation.Revoke(tx, token.KindSession, session.ID)
	}})
}

func (s *Service) findAPIKey(ctx context.Context, text string) (*found, error) {
	if !credential.APIKeyForm(text) {
		return nil, nil
	}
	var key *iam.APIKey
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		key, err = store.FindAPIKey(tx, credential.SecretLookup(iam.NewSecret(text)))
		return err
	})
	if err != nil {
		return nil, err
	}
	if hash := sha256.Sum256([]byte(text)); subtle.ConstantTimeCompare(hash[:], key.Hash) != 1 {
		return nil, nil
	}
	expired := !key.ExpiresAt.IsZero() && !s.Now().Before(key.ExpiresAt)
	return s.ofAccount(ctx, key.ServiceAccountID, &found{id: key.ID, dormant: expired, end: func(tx *store.Tx) error {
		// As the owner's own deletion does: an update that waits for the account
		// must not bring the key back.
		if err := store.LockResource(tx, key.ServiceAccountID); err != nil {
			return err
		}
		return deleted(tx, key.ID, store.DeleteAPIKey)
	}})
}

func (s *Service) findAccessKey(ctx context.Context, text string) (*found, error) {
	if !credential.AccessKeySecretForm(text) {
		return nil, nil
	}
	var key *store.SealedAccessKey
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		unready, err := s.withoutLookups(tx) // before the look: what gets one meanwhile is found
		if err != nil {
			return err
		}
		key, err = store.FindAccessKeyByLookup(tx, credential.SecretLookup(iam.NewSecret(text)))
		if unready && errors.Is(err, iam.NotFound) {
			return &iam.Error{Kind: iam.Unavailable, Message: "Static access keys cannot all be found by their secrets yet", RetryAfter: time.Second}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	secret, err := s.Open(store.AccessKeyPlace(key.ID), key.Sealed)
	if errors.Is(err, seal.ErrUnknownKey) { // it may be on its way to this node
		return nil, iam.Wrap(err, iam.Unavailable, "The secret of access key %s is sealed under a master key that this server has yet to get", key.ID)
	}
	if err != nil {
		return nil, iam.Wrap(err, iam.Internal, "The secret of access key %s cannot be read", key.ID)
	}
	defer clear(secret)
	if subtle.ConstantTimeCompare(secret, []byte(text)) != 1 {
		return nil, nil
	}
	return s.ofAccount(ctx, key.ServiceAccountID, &found{id: key.ID, end: func(tx *store.Tx) error {
		return deleted(tx, key.ID, store.DeleteAccessKey)
	}})
}

// withoutLookups tells whether there are static access keys that may yet be found.
func (s *Service) withoutLookups(tx *store.Tx) (bool, error) {
	if s.Searchable() {
		return false, nil
	}
	rows, err := store.ListAccessKeysWithoutLookup(tx, "", 1)
	return len(rows) > 0, err
}

// maxKeyText bounds the text of an authorized key, in bytes: one of 4,096 bits
// takes 3.4 kB and some for escapes. Longer keys take much longer to parse.
const maxKeyText = 6 << 10

// findAuthorizedKey takes the private half, from which the public one is made,
// or the public half alone. The key is looked up by its id before anything of
// the text is parsed, which costs a millisecond.
func (s *Service) findAuthorizedKey(ctx context.Context, text string) (*found, error) {
	id := leak.KeyID(text)
	if id == "" || len(text) > maxKeyText {
		return nil, nil
	}
	var key *iam.Key
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		key, err = store.GetKey(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	kept, err := keyfile.ParsePublicKey(key.PublicKey)
	if err != nil {
		return nil, iam.Wrap(err, iam.Internal, "The public half of key %s cannot be read", id)
	}
	shown, half := publicHalf(text)
	if shown == nil || !shown.Equal(kept) {
		return nil, nil
	}
	return s.ofAccount(ctx, key.ServiceAccountID, &found{id: id, half: half, end: func(tx *store.Tx) error {
		return deleted(tx, id, store.DeleteKey)
	}})
}

// publicHalf is the public key of an authorized key's text, and whether the text
// had no more than that; nil when it is neither half.
func publicHalf(text string) (key *rsa.PublicKey, half bool) {
	public := leak.PublicHalf(text)
	if public == "" {
		public, half = text, true
	}
	_, block, _ := strings.Cut(public, ">") // behind the line with the key's id
	if !strings.HasPrefix(strings.TrimSpace(block), "-----BEGIN PUBLIC KEY-----") {
		return nil, false
	}
	key, err := keyfile.ParsePublicKey(block)
	if err != nil {
		return nil, false
	}
	return key, half
}

// deleted ends a key as its owner's deletion does.
func deleted(tx *store.Tx, id string, remove func(*store.Tx, string) error) error {
	if err := remove(tx, id); err != nil {
		return err
	}
	return revocation.Revoke(tx, token.KindCredential, id)
}

// of tells whose a credential is.
func (s *Service) of(ctx context.Context, subject iam.Subject, organizationID string, f *found) (*found, error) {
	switch subject.Type {
	case iam.TypeServiceAccount:
		return s.ofAccount(ctx, string(subject.ID), f)
	case iam.TypeUserAccount:
		return s.ofPerson(ctx, string(subject.ID), f)
	}
	f.subject = subject
	if organizationID != "" {
		f.path = []resource.Ref{{Kind: resource.Organization, ID: organizationID}}
	}
	return f, nil
}

// ofAccount does so for a service account's: NOT_FOUND when the account is gone,
// with which everything of it is.
func (s *Service) ofAccount(ctx context.Context, id string, f *found) (*found, error) {
	account, err := s.Accounts.ServiceAccount(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.path, err = s.Accounts.Ancestors(ctx, id); err != nil {
		return nil, err
	}
	f.subject, f.name = iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}, account.Name
	f.dormant = f.dormant || account.StatusAt(s.Now()) != iam.ServiceAccountActive
	return f, nil
}
