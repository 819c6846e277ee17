package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// DatabaseURL leads to a PostgreSQL database. However it is printed, it hides
// the passwords in it; a conversion to string is the one way to them.
type DatabaseURL string

const hiddenPassword = "***"

// String is the URL without its passwords, and next to nothing of one that
// cannot be read: what is where in it is not known then.
func (d DatabaseURL) String() string {
	text := string(d)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || !postgresScheme(text) || strings.Count(text, "@") > 1 || (strings.Contains(text, "@") && u.User == nil) {
		return "postgres://" + hiddenPassword
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "postgres://" + hiddenPassword
	}
	var b strings.Builder
	b.WriteString(u.Scheme + "://")
	if u.User != nil {
		b.WriteString(url.User(u.User.Username()).String())
		if _, given := u.User.Password(); given {
			b.WriteString(":" + hiddenPassword)
		}
		b.WriteByte('@')
	}
	b.WriteString(u.Host + u.EscapedPath())
	separator := "?"
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			if name == "password" || name == "sslpassword" {
				value = hiddenPassword
			} else {
				value = url.QueryEscape(value)
			}
			b.WriteString(separator + url.QueryEscape(name) + "=" + value)
			separator = "&"
		}
	}
	return b.String()
}

// GoString hides what String hides.
func (d DatabaseURL) GoString() string { return d.String() }

// MarshalText hides what String hides.
func (d DatabaseURL) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func postgresScheme(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

func (c *Config) checkDatabase(bad reporter) {
	if c.Database != "" && !postgresScheme(string(c.Database)) {
		// Not repeated: there may be a password in it.
		bad("database", "must begin with postgres://, as in postgres://user@host:5432/propusk?sslmode=verify-full")
	}
}

// shared tells whether other nodes may use the database too.
func (s *Server) shared() bool { return s.cfg.Database != "" }

// place names what holds the rows, for people.
func (s *Server) place() string {
	if s.shared() {
		return s.cfg.Database.String()
	}
	return s.cfg.Data
}

// refuseNothing keeps an operator's command from making a server where its
// folder's name, or its database's, is most likely mistaken.
func (s *Server) refuseNothing() error {
	kept := filepath.Join(s.cfg.Data, sqlite.FileName)
	if s.shared() {
		kept = filepath.Join(s.cfg.Data, installationFile)
	}
	if _, err := os.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if s.shared() {
		return iam.Errorf(iam.FailedPrecondition, "%s is not the data folder of a server on a shared database; name the one that a server was started with, or make one with `propusk bootstrap`", s.cfg.Data)
	}
	return iam.Errorf(iam.FailedPrecondition, "%s holds no database; name the data folder of a server, or make one with `propusk bootstrap`", s.cfg.Data)
}

// openEngine opens the database that the settings name.
func (s *Server) openEngine(ctx context.Context) (store.Engine, error) {
	if s.shared() {
		if _, err := os.Stat(filepath.Join(s.cfg.Data, sqlite.FileName)); err == nil {
			return nil, iam.Errorf(iam.FailedPrecondition, "%s holds a database of its own, and the setting database names another one: use another data folder with it, or none of the setting", s.cfg.Data)
		}
		return postgres.Open(ctx, postgres.Config{URL: iam.NewSecret(string(s.cfg.Database))})
	}
	if s.opts.Memory {
		return sqlite.OpenMemory()
	}
	if text, err := os.ReadFile(filepath.Join(s.cfg.Data, installationFile)); err == nil {
		return nil, iam.Errorf(iam.FailedPrecondition, "%s belongs to a node of installation %s on a shared database: give the setting database, or use another data folder", s.cfg.Data, strings.TrimSpace(string(text)))
	}
	return sqlite.Open(s.cfg.Data)
}

// installationFile names, in the data folder of a node on a shared database,
// the installation that the node belongs to.
const installationFile = "installation"

// refuseOtherData refuses a database that is not the one this node's folder
// has belonged to: its journal and its keys are another installation's.
func (s *Server) refuseOtherData(ctx context.Context) error {
	if !s.shared() {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(s.cfg.Data, installationFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("installation: %w", err)
	}
	holds := "no installation"
	was := strings.TrimSpace(string(text))
	err = s.db.View(ctx, func(tx *store.Tx) error {
		id, found, err := store.GetSetting(tx, store.SettingInstallation)
		if found {
			holds = "installation " + id
		}
		if err != nil || id == was {
			return err
		}
		return iam.Errorf(iam.FailedPrecondition, "%s belongs to a node of installation %s, and %s holds %s: name the database that the folder belongs to, or use another folder",
			s.cfg.Data, was, s.place(), holds)
	})
	return err
}

// keepInstallation notes, in the folder, what refuseOtherData asks for.
func (s *Server) keepInstallation() error {
	if !s.shared() {
		return nil
	}
	path := filepath.Join(s.cfg.Data, installationFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeWhole(path, []byte(s.keyring.Installation()+"\n"), 0o600); err != nil {
		return fmt.Errorf("installation: %w", err)
	}
	return nil
}

// refuseOtherKey says what to do when this node's master keys are not those
// under which the installation's secrets are sealed.
func (s *Server) refuseOtherKey(err error) error {
	var e error
	switch {
	case errors.Is(err, seal.ErrUnknownKey):
		e = iam.Errorf(iam.FailedPrecondition, "the signing keys in %s are sealed under a master key that this node does not hold: all nodes of an installation need the same ones; put the line of the missing key, as another node or a copy has it, into this node's %s",
			s.place(), s.masterPlace())
	case errors.Is(err, seal.ErrOpen):
		e = iam.Errorf(iam.FailedPrecondition, "the signing keys in %s do not open under this node's master key: all nodes of an installation need the same one; put the first node's %s into %s, or say in master-key where it is",
			s.place(), masterKeyFile, s.cfg.Data)
	default:
		return err
	}
	return fmt.Errorf("%w (%w)", e, err)
}

// masterPlace names what the master keys are read from, for people.
func (s *Server) masterPlace() string {
	if path := s.box.File(); path != "" {
		return path
	}
	return "master-key"
}

// openKeyring opens the signing keys, by which a node also learns to which
// installation the database belongs.
func (s *Server) openKeyring(ctx context.Context, report func(error)) (err error) {
	s.keyring, err = mint.OpenKeyring(ctx, mint.KeyringConfig{DB: s.db, Box: s.box, Now: s.now, RotateEvery: s.cfg.RotateEvery,
		Record: s.recordRotation, Report: report})
	if err != nil {
		return s.refuseOtherKey(err)
	}
	return s.keepInstallation()
}

// listener is an engine that hears of other nodes' commits.
type listener interface {
	// Listen calls wake after commits, and now and then for nothing, until ctx
	// ends.
	Listen(ctx context.Context, wake func())
}

// runWake hands what the database says of other nodes' commits to the replica.
func (s *Server) runWake(ctx context.Context) error {
	if l, ok := s.engine.(listener); ok {
		l.Listen(ctx, s.replica.Wake)
	}
	return nil
}
