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
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// newcomer is somebody who is about to have an account.
type newcomer struct {
	account       iam.UserAccount
	password      iam.Secret
	phc           string
	organizations []string
	session       *freshSession
}

// firstSession is the session in which an account begins: with the password that
// was just chosen.
func firstSession(userID string, client *propuskpb.Client) *freshSession {
	return newSession(userID, client, false, methodPassword)
}

// newcomerOf looks at what a person has chosen.
func newcomerOf(login, name, email, password string) (*newcomer, error) {
	login, name = strings.TrimSpace(login), strings.TrimSpace(name)
	if err := signin.CheckLogin(login); err != nil {
		return nil, err
	}
	if err := signin.CheckName("name", name); err != nil {
		return nil, err
	}
	n := &newcomer{password: iam.NewSecret(password), account: iam.UserAccount{ID: resource.NewID(resource.PrefixIAM),
		Login: login, Email: email, Name: name, Status: iam.UserAccountActive}}
	return n, CheckPassword("new_password", n.password, &n.account)
}

// welcome makes the account with its password and memberships, and signs in.
func (s *JoinService) welcome(tx *store.Tx, call *gate.Call, n *newcomer) error {
	if err := free(tx, &n.account); err != nil {
		return err
	}
	n.account.CreatedAt = tx.Now()
	if err := store.InsertUserAccount(tx, &n.account); errors.Is(err, iam.AlreadyExists) {
		return errLoginTaken() // just now
	} else if err != nil {
		return err
	}
	call.NoteDetail(audit.Text("user_account_id", n.account.ID))
	at := audit.Place{Type: "iam.userAccount", ID: n.account.ID}
	if err := beside(tx, call, "propusk.CreateUserAccount", at); err != nil {
		return err
	}
	if err := store.SetPassword(tx, &iam.Password{UserID: n.account.ID, PHC: n.phc, ChangedAt: tx.Now()}); err != nil {
		return err
	}
	if err := s.enrol(tx, call, n); err != nil {
		return err
	}
	return s.SignIn.begin(tx, call, n.session)
}

// enrol makes the person a member of the organizations that are still there.
func (s *JoinService) enrol(tx *store.Tx, call *gate.Call, n *newcomer) error {
	var gone []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(n.organizations))) { // all lock in one order
		added, err := store.AddMember(tx, id, iam.SubjectID(n.account.ID))
		if errors.Is(err, iam.NotFound) {
			gone = append(gone, id)
			continue
		}
		if err != nil {
			return err
		}
		if !added {
			continue
		}
		if err := s.Quotas.Added(tx, quota.Memberships, id, 1); err != nil {
			return err
		}
		err = beside(tx, call, "organizationmanager.CreateMembership", audit.Place{Type: string(resource.Organization), ID: id},
			audit.Text("subject_id", n.account.ID))
		if err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		call.NoteDetail(audit.Texts("organizations_gone", gone...))
	}
	return nil
}

// free looks whether nobody has the login or the address yet. Who holds a link
// may know.
func free(tx *store.Tx, u *iam.UserAccount) error {
	_, err := store.GetUserAccountByLogin(tx, u.Login)
	if err == nil {
		return errLoginTaken()
	}
	if !errors.Is(err, iam.NotFound) || u.Email == "" {
		return ignoreMiss(err)
	}
	if _, err = store.GetUserAccountByLogin(tx, u.Email); err == nil {
		return &iam.Error{Kind: iam.FailedPrecondition, Reason: "email_taken", Message: "An account has this e-mail address meanwhile: sign in with it"}
	}
	return ignoreMiss(err)
}

func ignoreMiss(err error) error {
	if errors.Is(err, iam.NotFound) {
		return nil
	}
	return err
}

func errLoginTaken() error {
	e := iam.InvalidField("login", "somebody has this login")
	e.Reason = "login_taken"
	return e
}
