package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// openFolder makes the data folder, or looks at what is there.
func (s *Server) openFolder() error {
	if s.opts.Existing {
		if err := s.refuseNothing(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	info, err := os.Stat(s.cfg.Data)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if info.Mode().Perm()&0o002 != 0 {
		s.log.Warn("the data folder may be written by everyone, who can thus put other files in place of the server's: chmod 700 it",
			"folder", s.cfg.Data, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
	}
	return nil
}

// buildStore opens the database and the replica in front of it.
func (s *Server) buildStore(ctx context.Context) (err error) {
	if s.engine, err = s.openEngine(ctx); err != nil {
		return err
	}
	s.db = store.New(s.engine, store.Options{Now: s.now})
	s.later(s.db.Close)
	if err := s.db.Migrate(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := s.refuseOtherData(ctx); err != nil {
		return err
	}
	if err := s.refuseDevData(ctx); err != nil {
		return err
	}
	if !s.opts.Quiet {
		if err := s.db.Update(ctx, store.BeginEpoch); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	s.replica = replica.New(replica.Config{DB: s.db, MaxBytes: int64(s.cfg.CacheBytes), Now: s.now, Log: s.log,
		Open: s.openSealed})
	return nil
}

// refuseDevData keeps a database with well-known contents from being served
// for real.
func (s *Server) refuseDevData(ctx context.Context) error {
	if s.opts.Dev || s.opts.Quiet {
		return nil
	}
	var dev bool
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		_, dev, err = store.GetSetting(tx, store.SettingDev)
		return err
	})
	if err == nil && dev {
		return iam.Errorf(iam.FailedPrecondition, "%s was made by `propusk dev` and is not served for real; use another data folder or database", s.place())
	}
	return err
}

const masterKeyFile = "master.key"

// openBox finds the master key: where the config says, or in a file of the
// data folder that is made on the first start.
func (s *Server) openBox(ctx context.Context) (*seal.Box, error) {
	switch m := s.cfg.MasterKey; {
	case m.File != "":
		return seal.Load(ctx, "file:"+m.File)
	case m.Env != "":
		return seal.Load(ctx, "env:"+m.Env)
	case m.Command != "":
		return seal.Load(ctx, "command:"+m.Command)
	}
	path := filepath.Join(s.cfg.Data, masterKeyFile)
	if s.opts.Memory {
		return seal.New(seal.NewMasterKey("memory"))
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := s.refuseLostKey(ctx, path); err != nil {
			return nil, err
		}
		// Another process that starts in the same folder may have been quicker.
		if err := seal.WriteMasterKey(path, seal.NewMasterKey("first")); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	return seal.Load(ctx, "file:"+path)
}

// refuseLostKey keeps a new master key from being made beside secrets that
// only the old one opens.
func (s *Server) refuseLostKey(ctx context.Context, path string) error {
	var sealed bool
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		_, sealed, err = store.GetSetting(tx, store.SettingInstallation)
		return err
	})
	if err == nil && sealed {
		return iam.Errorf(iam.FailedPrecondition, "the master key is not where it was: put %s back, or say in master-key where it is now; a further node on the same database needs a copy of the first one's", path)
	}
	return err
}

// buildKeys opens the keyring, the minter, this server's own verifier and the
// list of revocations that feeds it, and starts the replica.
func (s *Server) buildKeys(ctx context.Context) (err error) {
	if s.box, err = s.openBox(ctx); err != nil {
		return err
	}
	report := newReport(s.log, "keys", s.now)
	if err := s.openKeyring(ctx, report); err != nil {
		return err
	}
	s.minter = mint.NewMinter(s.keyring, s.now)
	if s.verifier, err = token.NewVerifier(token.Config{Local: true, Now: s.now}); err != nil {
		return err
	}
	s.revoked, err = revocation.NewList(revocation.Config{DB: s.db, Keys: s.keyring, Verifier: s.verifier, CatchUp: s.replica.CatchUp, Now: s.now, Report: report})
	if err != nil {
		return err
	}
	if err := s.buildIDKeys(); err != nil {
		return err
	}
	s.keyring.Observe(s.revoked.KeysChanged)
	s.replica.OnApply(s.keyring.Notice)
	s.replica.OnApply(s.revoked.Notice)
	if err := s.replica.Start(ctx); err != nil {
		return fmt.Errorf("change feed: %w", err)
	}
	return s.revoked.Load(ctx)
}
