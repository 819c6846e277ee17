package signin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"unicode"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Passwords prove people by their passwords. Safe for use by many goroutines.
type Passwords struct {
	DB        *store.DB
	Hasher    *Hasher
	Addresses *Addresses
	// Key is a secret of the installation, under which attempts at logins that
	// nobody has are counted: people type passwords there.
	Key []byte
	// Locked leaves a line when somebody's delay becomes a lockout; userID is ""
	// for a login that nobody has.
	Locked func(tx *store.Tx, userID string) error
}

// errWrong is one answer to an unknown login, a person without a password, and
// a wrong password.
var errWrong = &iam.Error{Kind: iam.Unauthenticated, Reason: "password_wrong", Message: "The login or the password is wrong"}

// Prove finds the person whose login, or e-mail address, and password these are.
// The attempt is counted before it is judged. It fails with UNAUTHENTICATED, with
// RESOURCE_EXHAUSTED while it is too early to try again, with UNAVAILABLE when
// too many wait, or as the store does; the person who was tried, if there is such
// a one, is then returned too, for the audit log alone.
func (p *Passwords) Prove(ctx context.Context, login string, password iam.Secret, address string) (*iam.UserAccount, error) {
	login = typed(login)
	enter := func() (*Place, error) {
		place, err := p.Hasher.EnterFrom(address)
		if err != nil {
			return nil, err
		}
		if err := p.Addresses.Enter(address); err != nil {
			place.Leave()
			return nil, err
		}
		return place, nil
	}
	u, err := p.prove(ctx, password, enter, func(tx *store.Tx) (tried, error) {
		u, err := store.GetUserAccountByLogin(tx, login)
		switch {
		case errors.Is(err, iam.NotFound):
			nobody := p.nobody(login)
			return tried{id: nobody, attempts: nobody}, nil
		case err != nil:
			return tried{}, err
		case u.Login == login:
			return tried{u, u.ID, loginAttempts(u.ID)}, nil
		}
		return tried{u, u.ID, emailAttempts(u.ID)}, nil
	})
	if err == nil {
		p.Addresses.Forgive(address)
	}
	return u, err
}

// ProveAgain asks a person who has proved himself for his password, before
// something that a stolen session must not do. A wrong one is INVALID_ARGUMENT
// about the field password; otherwise it fails as Prove does. It has a count of
// its own, and no address counts: strangers must not keep him from it.
func (p *Passwords) ProveAgain(ctx context.Context, userID string, password iam.Secret) error {
	enter := func() (*Place, error) { return p.Hasher.EnterAs(userID) }
	_, err := p.prove(ctx, password, enter, func(tx *store.Tx) (tried, error) {
		u, err := store.GetUserAccount(tx, userID)
		return tried{u, userID, againAttempts(userID)}, err
	})
	if errors.Is(err, errWrong) {
		return unfit("password", "password_wrong", "is wrong")
	}
	return err
}

// tried is whose password is tried, and what the attempt is counted under.
type tried struct {
	user     *iam.UserAccount // nil: nobody
	id       string           // of the password
	attempts string
}

func (p *Passwords) prove(ctx context.Context, password iam.Secret, enter func() (*Place, error),
	find func(tx *store.Tx) (tried, error)) (*iam.UserAccount, error) {
	place, err := enter()
	if err != nil {
		return nil, err
	}
	defer place.Leave()
	var who tried
	var phc string
	err = p.DB.Update(ctx, func(tx *store.Tx) error {
		if who, err = find(tx); err != nil {
			return err
		}
		phc = ""
		kept, err := store.GetPassword(tx, who.id)
		switch {
		case err == nil:
			phc = kept.PHC
		case !errors.Is(err, iam.NotFound):
			return err
		}
		locked, err := admit(tx, who.attempts)
		if err != nil || !locked || p.Locked == nil {
			return err
		}
		return p.Locked(tx, userIDOf(who.user))
	})
	if err != nil {
		return who.user, err
	}
	ok, stale, err := place.Verify(ctx, phc, password)
	if err != nil {
		return who.user, err
	}
	if !ok {
		return who.user, errWrong
	}
	fresh := phc
	if stale {
		if fresh, err = place.Hash(ctx, password); err != nil {
			return who.user, err
		}
	}
	return who.user, p.DB.Update(ctx, func(tx *store.Tx) error {
		if fresh != phc {
			if err := store.RehashPassword(tx, who.id, phc, fresh); err != nil {
				return err
			}
		}
		return store.DeleteAttempts(tx, who.attempts)
	})
}

// Hash makes what is kept of a new password that a person sets, in its turn. It
// fails with UNAVAILABLE when too many wait, or he himself twice.
func (p *Passwords) Hash(ctx context.Context, userID string, password iam.Secret) (string, error) {
	return hashAt(ctx, password, func() (*Place, error) { return p.Hasher.EnterAs(userID) })
}

// HashForOperator is Hash of what the operator sets, who waits for no person.
func (p *Passwords) HashForOperator(ctx context.Context, password iam.Secret) (string, error) {
	return hashAt(ctx, password, p.Hasher.Enter)
}

func hashAt(ctx context.Context, password iam.Secret, enter func() (*Place, error)) (string, error) {
	place, err := enter()
	if err != nil {
		return "", err
	}
	defer place.Leave()
	return place.Hash(ctx, password)
}

func (p *Passwords) nobody(login string) string {
	if strings.Contains(login, "@") {
		login = iam.CanonicalEmail(login) // as that of somebody is looked up
	}
	m := hmac.New(sha256.New, p.Key)
	m.Write([]byte("attempts at a login that nobody has\x00" + login))
	return "nobody/" + hex.EncodeToString(m.Sum(nil)[:16])
}

// typed is a login as it may be looked up: not every store takes characters that
// no login has.
func typed(login string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.TrimSpace(login))
}

func userIDOf(u *iam.UserAccount) string {
	if u == nil {
		return ""
	}
	return u.ID
}
