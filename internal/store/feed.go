package store

import (
	"crypto/rand"
	"encoding/base64"
	"errors"

	"github.com/propusk/propusk/internal/iam"
)

// ChangeKind is the class of what changed. A reader that meets a kind it does
// not know must forget everything it remembers.
type ChangeKind string

// The kinds of change, with what Change.Key holds.
const (
	ChangeResource       ChangeKind = "resource"       // resource id: created, moved, deleted
	ChangeDetails        ChangeKind = "details"        // resource id: name, labels and the like, on which no decision rests
	ChangeBinding        ChangeKind = "binding"        // resource id + "/" + subject id
	ChangeGroups         ChangeKind = "groups"         // subject id: the groups it is in
	ChangeMember         ChangeKind = "member"         // subject id: the organizations it belongs to
	ChangeKey            ChangeKind = "key"            // authorized key id
	ChangeAPIKey         ChangeKind = "apiKey"         // see APIKeyChange
	ChangeAccessKey      ChangeKind = "accessKey"      // see AccessKeyChange
	ChangeServiceAccount ChangeKind = "serviceAccount" // service account id
	ChangeUserAccount    ChangeKind = "userAccount"    // user account id
	ChangeOAuthToken     ChangeKind = "oauthToken"     // see OAuthTokenChange
	ChangeOAuthClient    ChangeKind = "oauthClient"    // OAuth client id
	ChangeClientSecret   ChangeKind = "clientSecret"   // see OAuthClientSecretChange
	ChangeSigningKeys    ChangeKind = "signingKeys"    // ""
	ChangeDefinitions    ChangeKind = "definitions"    // "": imported roles, scopes and resource types
	ChangeRevocation     ChangeKind = "revocation"     // hex of the revocation's hash
)

// Change names one thing that has changed.
type Change struct {
	Kind ChangeKind
	Key  string
}

// BindingKey is the key of ChangeBinding.
func BindingKey(resourceID string, subject iam.SubjectID) string {
	return resourceID + "/" + string(subject)
}

// Entry is what one transaction changed. Entries have consecutive numbers, in
// the order of their commits.
type Entry struct {
	Seq     iam.Position
	Nonce   string // random: two histories differ here even where their numbers agree
	Changes []Change
}

// ErrTrimmed is what ReadChanges returns when the feed no longer holds what
// followed the asked position.
var ErrTrimmed = errors.New("the change feed no longer goes back that far")

// ReadChanges returns the entries after a position, oldest first, at most
// limit of them, each whole. When there are entries but the next one is gone it
// returns ErrTrimmed. It cannot tell that history was replaced by another: ask
// NonceAt for the position first.
func ReadChanges(tx *Tx, after iam.Position, limit int) ([]Entry, error) {
	if limit <= 0 {
		return nil, nil
	}
	var entries []Entry
	err := tx.each(`SELECT seq, nonce, kind, key FROM changes WHERE seq > $1 AND seq <= $2 ORDER BY seq, part`,
		[]any{uint64(after), uint64(after) + uint64(limit)}, func(r Rows) error {
			var seq uint64
			var nonce, kind, key string
			if err := r.Scan(&seq, &nonce, &kind, &key); err != nil {
				return err
			}
			if n := len(entries); n == 0 || entries[n-1].Seq != iam.Position(seq) {
				entries = append(entries, Entry{Seq: iam.Position(seq), Nonce: nonce})
			}
			e := &entries[len(entries)-1]
			e.Changes = append(e.Changes, Change{Kind: ChangeKind(kind), Key: key})
			return nil
		})
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		if entries[0].Seq != after+1 {
			return nil, ErrTrimmed
		}
		return entries, nil
	}
	head, err := tx.Head()
	if err == nil && head > after {
		err = ErrTrimmed
	}
	return nil, err
}

// NonceAt returns the nonce of the entry at a position; false when the feed
// does not hold it.
func NonceAt(tx *Tx, seq iam.Position) (string, bool, error) {
	var nonce string
	found, err := tx.one(`SELECT nonce FROM changes WHERE seq = $1 AND part = 0`, []any{uint64(seq)}, &nonce)
	return nonce, found, err
}

// TrimChanges forgets the entries before a position, but never the newest one,
// and returns how many rows went.
func TrimChanges(tx *Tx, before iam.Position) (int64, error) {
	return tx.exec(`DELETE FROM changes WHERE seq < $1 AND seq < (SELECT seq FROM feed_head)`, uint64(before))
}

func newNonce() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
