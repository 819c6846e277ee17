package replica

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"unsafe"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/pss"
	"github.com/propusk/propusk/internal/store"
)

// AuthorizedKey is an authorized key ready to verify with. PublicKey, the
// text, is left empty here: Public is what it says. LastUsedAt may be old.
type AuthorizedKey struct {
	iam.Key
	Public *pss.Key
}

// Values of entries. They never change once remembered.
type (
	roleList  struct{ ids []iam.RoleID }
	groupList struct{ ids []iam.SubjectID }
	// membership is the organizations of a subject and their system groups.
	membership struct {
		organizations []string
		groups        []iam.SubjectID
	}
)

// Key returns an authorized key; iam.NotFound when there is none.
func (r *Replica) Key(ctx context.Context, kid string) (*AuthorizedKey, error) {
	return remembered[*AuthorizedKey](ctx, r, ofKey, kid, loadKey)
}

// ServiceAccount returns an account; iam.NotFound when there is none.
// LastAuthenticatedAt may be old; for the state ask StatusAt.
func (r *Replica) ServiceAccount(ctx context.Context, id string) (*iam.ServiceAccount, error) {
	return remembered[*iam.ServiceAccount](ctx, r, ofServiceAccount, id, loadServiceAccount)
}

// UserAccount returns a person; iam.NotFound when there is none.
// LastAuthenticatedAt may be old.
func (r *Replica) UserAccount(ctx context.Context, id string) (*iam.UserAccount, error) {
	return remembered[*iam.UserAccount](ctx, r, ofUserAccount, id, loadUserAccount)
}

// Groups returns the groups that a subject is a member of; none for a subject
// nobody knows.
func (r *Replica) Groups(ctx context.Context, subject iam.SubjectID) ([]iam.SubjectID, error) {
	l, err := remembered[*groupList](ctx, r, ofGroups, string(subject), loadStanding)
	if err != nil {
		return nil, err
	}
	return l.ids, nil
}

// Organizations returns the organizations that a subject belongs to.
func (r *Replica) Organizations(ctx context.Context, subject iam.SubjectID) ([]string, error) {
	m, err := remembered[*membership](ctx, r, ofMember, string(subject), loadStanding)
	if err != nil {
		return nil, err
	}
	return m.organizations, nil
}

// Roles returns the roles bound to a subject, itself and not its groups, on a
// resource, itself and not its ancestors.
func (r *Replica) Roles(ctx context.Context, resourceID string, subject iam.SubjectID) ([]iam.RoleID, error) {
	if e := r.known.find(ofBare, resourceID); e != nil {
		return nil, nil
	}
	if e := r.known.findRoles(r.known.hashText(resourceID), r.known.hashText(string(subject)), resourceID, string(subject)); e != nil {
		return e.value.(*roleList).list(), nil
	}
	got, _, err := r.fetch(ctx, []key{{kind: ofRoles, a: resourceID, b: string(subject)}}, loadRoles)
	if err != nil {
		return nil, err
	}
	return got[0].value.(*roleList).list(), nil
}

func (l *roleList) list() []iam.RoleID {
	if l == nil {
		return nil
	}
	return l.ids
}

// remembered finds a value or fetches it.
func remembered[V any](ctx context.Context, r *Replica, kind kind, id string, load loader) (V, error) {
	if e := r.known.find(kind, id); e != nil {
		return e.value.(V), nil
	}
	var none V
	v, _, err := r.fetchOne(ctx, kind, id, load)
	if err != nil {
		return none, err
	}
	return v.(V), nil
}

// fetchOne looks among what is known to be absent, then in the store.
func (r *Replica) fetchOne(ctx context.Context, kind kind, id string, load loader) (any, iam.Position, error) {
	if e := r.absent.find(kind, id); e != nil {
		return nil, 0, e.value.(error)
	}
	got, at, err := r.fetch(ctx, []key{{kind: kind, a: id}}, load)
	if err != nil {
		return nil, 0, err
	}
	return got[0].value, at, got[0].err
}

// one makes a loader of a single key's read. Absence is an answer; any other
// error fails the look-up.
func one(read func(tx *store.Tx, id string) (value any, bytes int, err error)) loader {
	return func(tx *store.Tx, want []key) ([]loaded, iam.Position, error) {
		head, err := tx.Head()
		if err != nil {
			return nil, 0, err
		}
		answers := make([]loaded, len(want))
		for i, k := range want {
			v, n, err := read(tx, k.a)
			if err != nil && !errors.Is(err, iam.NotFound) {
				return nil, 0, err
			}
			answers[i] = loaded{key: k, value: v, bytes: n, err: err}
		}
		return answers, head, nil
	}
}

var (
	loadKey = one(func(tx *store.Tx, id string) (any, int, error) {
		k, err := store.GetKey(tx, id)
		if err != nil {
			return nil, 0, err
		}
		public, err := parsePublicKey(k.PublicKey)
		if err != nil {
			return nil, 0, iam.Wrap(err, iam.Internal, "Key %s cannot be read", id)
		}
		prepared, err := pss.New(public)
		if err != nil {
			return nil, 0, iam.Wrap(err, iam.Internal, "Key %s cannot be used", id)
		}
		k.PublicKey = ""
		text := len(k.ID) + len(k.ServiceAccountID) + len(k.Description) + len(k.Algorithm)
		numbers := 3*public.Size() + 256 // the modulus and its prepared constants
		return &AuthorizedKey{Key: *k, Public: prepared}, int(unsafe.Sizeof(AuthorizedKey{})) + text + numbers, nil
	})
	loadServiceAccount = one(func(tx *store.Tx, id string) (any, int, error) {
		a, err := store.GetServiceAccount(tx, id)
		if err != nil {
			return nil, 0, err
		}
		n := int(unsafe.Sizeof(*a)) + len(a.ID) + len(a.FolderID) + len(a.Name) + len(a.Description) + len(a.Status) + len(a.SuspendReason)
		for k, v := range a.Labels {
			n += 64 + len(k) + len(v)
		}
		return a, n, nil
	})
	loadUserAccount = one(func(tx *store.Tx, id string) (any, int, error) {
		u, err := store.GetUserAccount(tx, id)
		if err != nil {
			return nil, 0, err
		}
		return u, int(unsafe.Sizeof(*u)) + len(u.ID) + len(u.Login) + len(u.Email) + len(u.Name) + len(u.GivenName) + len(u.FamilyName) +
			len(u.Status) + len(u.SuspendReason), nil
	})
)

func parsePublicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the public key is not PEM")
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	public, ok := k.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("the public key is not an RSA key")
	}
	return public, nil
}
