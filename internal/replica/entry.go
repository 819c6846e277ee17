package replica

import (
	"strings"
	"sync/atomic"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// kind says what an entry remembers.
type kind uint8

const (
	ofResource           kind = iota + 1 // id → *node
	ofRoles                              // resource id, subject id → *roleList, nil for none
	ofBare                               // resource id → nothing is bound to anyone there
	ofGroups                             // subject id → *groupList
	ofMember                             // subject id → *membership
	ofKey                                // key id → *AuthorizedKey
	ofServiceAccount                     // id → *iam.ServiceAccount
	ofUserAccount                        // id → *iam.UserAccount
	ofAPIKey                             // id → *iam.APIKey
	ofAPIKeyLookup                       // look-up → *iam.APIKey
	ofAccessKey                          // id → *iam.AccessKey
	ofAccessKeyID                        // key id → *AccessKey
	ofOAuthClient                        // id → *iam.OAuthClient
	ofClientSecret                       // id → *iam.OAuthClientSecret
	ofClientSecretLookup                 // look-up → *iam.OAuthClientSecret
	ofOAuthTokenLookup                   // look-up → *iam.OAuthToken
)

// key names an entry. b is the subject of ofRoles and empty for all others.
type key struct {
	kind kind
	a, b string
}

// text is the key as one string of its own, which keeps no request's bytes
// alive; for ofRoles the key of its change in the feed.
func (k key) text() string {
	if k.kind != ofRoles {
		return strings.Clone(k.a)
	}
	return store.BindingKey(k.a, iam.SubjectID(k.b))
}

// entry is one remembered value. Readers find it without a lock; key, hash and
// value never change. The rest belongs to the shard's lock, but for seen.
type entry struct {
	next  atomic.Pointer[entry] // in its bucket
	hash  uint64
	text  string
	value any

	newer, older *entry // in its queue
	seen         atomic.Uint32
	gone         atomic.Bool // taken out: what rests on it must be looked up again
	size         uint32      // bytes with key and value
	cut          uint16      // where the resource ends in text, for ofRoles
	kind         kind
	long         bool // which queue
}

const entryBytes = 80 + 16 // the struct and its part of a bucket array

func (e *entry) isRoles(resourceID, subject string) bool {
	cut := int(e.cut)
	return e.kind == ofRoles && cut == len(resourceID) && len(e.text) == cut+1+len(subject) &&
		e.text[cut+1:] == subject && e.text[:cut] == resourceID
}

func (e *entry) is(k key) bool {
	if k.kind == ofRoles {
		return e.isRoles(k.a, k.b)
	}
	return e.kind == k.kind && e.text == k.a
}

// touch notes that an entry was asked for. Losing a count to a race is fine.
func (e *entry) touch() {
	if n := e.seen.Load(); n < maxSeen {
		e.seen.Store(n + 1)
	}
}
