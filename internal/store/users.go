package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const userColumns = `id, login, email, name, created_at, last_authenticated_at`

// InsertUserAccount adds a person; the login must be free.
func InsertUserAccount(tx *Tx, u *iam.UserAccount) error {
	_, err := tx.exec(`INSERT INTO user_accounts (`+userColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		u.ID, u.Login, u.Email, u.Name, micros(u.CreatedAt), micros(u.LastAuthenticatedAt))
	tx.record(ChangeUserAccount, u.ID)
	return tx.unlessTaken(err, "User account with login %s already exists", u.Login)
}

// GetUserAccount returns a person by id.
func GetUserAccount(tx *Tx, id string) (*iam.UserAccount, error) {
	return first(tx, "User account", id, scanUser, `SELECT `+userColumns+` FROM user_accounts WHERE id = $1`, id)
}

// GetUserAccountByLogin returns a person by login, compared exactly.
func GetUserAccountByLogin(tx *Tx, login string) (*iam.UserAccount, error) {
	return first(tx, "User account", login, scanUser, `SELECT `+userColumns+` FROM user_accounts WHERE login = $1`, login)
}

// TouchUserAccounts notes when people last proved themselves. Times only go
// forward, unknown ids are passed over, and the feed does not tell of it.
func TouchUserAccounts(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "user_accounts", "last_authenticated_at", last)
}

func scanUser(r Rows) (*iam.UserAccount, error) {
	var u iam.UserAccount
	err := r.Scan(&u.ID, &u.Login, &u.Email, &u.Name, asTime(&u.CreatedAt), asTime(&u.LastAuthenticatedAt))
	return &u, err
}
