package signinapi

import (
	"errors"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/upstream"
)

const longestWish = 40 // characters of a login that is made here

// add makes an account of somebody who has none. Only an address that the provider
// has verified becomes his.
func (p *UpstreamProofs) add(tx *store.Tx, call *gate.Call, provider *upstream.Provider, who *upstream.Person, id string, emailFree bool) (*iam.UserAccount, error) {
	u := &iam.UserAccount{ID: id, Name: who.Name, GivenName: who.GivenName, FamilyName: who.FamilyName,
		Status: iam.UserAccountActive, CreatedAt: tx.Now()}
	if who.EmailVerified && emailFree {
		u.Email = iam.CanonicalEmail(who.Email)
	}
	var err error
	if u.Login, err = freeLogin(tx, wishes(who), id); err != nil {
		return nil, err
	}
	if err := store.InsertUserAccount(tx, u); err != nil {
		return nil, err
	}
	if err := beside(tx, call, "propusk.CreateUserAccount", audit.Place{Type: "iam.userAccount", ID: id}, audit.Text("provider", provider.ID)); err != nil {
		return nil, err
	}
	return u, p.enrol(tx, call, provider, id)
}

// enrol makes a new person a member of the organizations of the config that are
// there.
func (p *UpstreamProofs) enrol(tx *store.Tx, call *gate.Call, provider *upstream.Provider, userID string) error {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(provider.Organizations))) { // all lock in one order
		added, err := store.AddMember(tx, id, iam.SubjectID(userID))
		if errors.Is(err, iam.NotFound) {
			call.NoteDetail(audit.Text("organization_gone", id))
			continue
		}
		if err != nil {
			return err
		}
		if !added {
			continue
		}
		if err := p.Quotas.Added(tx, quota.Memberships, id, 1); err != nil {
			return err
		}
		err = beside(tx, call, "organizationmanager.CreateMembership", audit.Place{Type: string(resource.Organization), ID: id},
			audit.Text("subject_id", userID))
		if err != nil {
			return err
		}
	}
	return nil
}

// freeLogin is the first of some logins that nobody has, or one that ends in a part
// of the account's own id.
func freeLogin(tx *store.Tx, wishes []string, id string) (string, error) {
	for _, login := range append(wishes, wishes[0]+"-"+id[len(id)-6:]) {
		_, err := store.GetUserAccountByLogin(tx, login)
		if errors.Is(err, iam.NotFound) {
			return login, nil
		}
		if err != nil {
			return "", err
		}
	}
	return id[len(id)-12:], nil
}

// wishes are logins that a person may like, each of a form that a login may have;
// one at least.
func wishes(who *upstream.Person) (out []string) {
	for _, text := range []string{who.Login, who.Email} {
		text, _, _ = strings.Cut(text, "@")
		text = strings.Map(func(r rune) rune {
			switch {
			case r >= 'A' && r <= 'Z':
				return r + 'a' - 'A'
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
				return r
			}
			return -1
		}, text)
		text = strings.Trim(text[:min(len(text), longestWish)], ".-_")
		if len(text) == 20 && !strings.ContainsAny(text, "._-") {
			text = text[:19] // or it could look like an id
		}
		if text != "" {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		out = []string{"user"}
	}
	return out
}
