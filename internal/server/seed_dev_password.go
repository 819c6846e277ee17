package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
)

// DevPasswordsFile holds the passwords of alice and bob; `dev` leaves it in its
// data folder.
const DevPasswordsFile = "passwords.json"

// devPassword is the password that dev gave a person, and when, by which it is
// known whether the person still has it.
type devPassword struct {
	UserID    string `json:"user_id"`
	Password  string `json:"password"`
	ChangedAt int64  `json:"changed_at"` // microseconds
}

// ensureDevPasswords gives people passwords, by their logins, or finds those that
// an earlier start gave them. Who has changed his own since, or was deleted, gets
// none.
func (s *Server) ensureDevPasswords(ctx context.Context, people map[string]string) (map[string]iam.Secret, error) {
	path := filepath.Join(s.cfg.Data, DevPasswordsFile)
	kept := map[string]devPassword{}
	if text, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(text, &kept) // one that cannot be read is made anew
	}
	known, made := map[string]iam.Secret{}, false
	for login, id := range people {
		p, fresh, err := s.ensureDevPassword(ctx, id, kept[login])
		if err != nil {
			return nil, err
		}
		if p.Password != "" {
			known[login] = iam.NewSecret(p.Password)
		}
		kept[login], made = p, made || fresh
	}
	if !made {
		return known, nil
	}
	text, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return nil, err
	}
	return known, os.Rename(path+".new", path)
}

// devCost is next to nothing: a random password of 130 bits needs no slow hash,
// and a development server is started often. The first sign-in makes it the
// usual one.
var devCost = signin.Parameters{MemoryKiB: 64, Passes: 1, Lanes: 1}

func (s *Server) ensureDevPassword(ctx context.Context, userID string, kept devPassword) (p devPassword, fresh bool, err error) {
	password := rand.Text()
	phc := devCost.PHC(iam.NewSecret(password))
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		p, fresh = devPassword{UserID: userID}, false
		if _, err := store.GetUserAccount(tx, userID); err != nil {
			return err
		}
		has, err := store.GetPassword(tx, userID)
		switch {
		case err == nil:
			if kept.UserID == userID && kept.ChangedAt == has.ChangedAt.UnixMicro() {
				p = kept
			}
			return nil
		case !errors.Is(err, iam.NotFound):
			return err
		}
		p, fresh = devPassword{UserID: userID, Password: password, ChangedAt: tx.Now().UnixMicro()}, true
		return store.SetPassword(tx, &iam.Password{UserID: userID, PHC: phc, ChangedAt: tx.Now()})
	})
	if errors.Is(err, iam.NotFound) {
		err = nil
	}
	return p, fresh, err
}

// Password is what dev gave alice or bob; "" when he or she has another one.
func (w *DevWorld) Password(login string) iam.Secret { return w.passwords[login] }
