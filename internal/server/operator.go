package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// Operate runs an operator's command: by the server that is running on the
// data folder, or by opening the folder itself when none is. Only bootstrap
// makes the folder and the database.
func Operate[Request, Response any](ctx context.Context, cfg Config, log *slog.Logger, path string,
	do func(*Server, context.Context, Request) (Response, error), request Request) (response Response, err error) {
	err = NewAdminClient(cfg.Data).Call(ctx, path, request, &response)
	if !errors.Is(err, ErrNotRunning) {
		return response, err
	}
	s, err := New(ctx, cfg, Options{Quiet: true, Existing: path != PathBootstrap, Log: log})
	if err != nil {
		return response, err
	}
	response, err = do(s, ctx, request)
	return response, errors.Join(err, s.Close())
}

// Paths of the operator's commands on the socket.
const (
	PathBootstrap   = "/bootstrap"
	PathRotateKeys  = "/rotate-keys"
	PathRootKey     = "/root-key"
	PathAuditList   = "/audit/list"
	PathAuditVerify = "/audit/verify"
)

func (s *Server) buildAdmin(ctx context.Context) (err error) {
	if s.opts.Memory {
		return nil
	}
	if s.admin, err = OpenAdmin(ctx, s.cfg.Data, s.log); err != nil {
		return err
	}
	s.later(func() error { return s.admin.Shutdown(context.Background()) })
	handle(s, PathBootstrap, (*Server).Bootstrap)
	handle(s, PathRotateKeys, (*Server).RotateKeys)
	handle(s, PathRotateMaster, (*Server).RotateMaster)
	handle(s, PathRootKey, (*Server).RootKey)
	handle(s, PathRegisterRoot, (*Server).RegisterRoot)
	handle(s, PathUnregisterRoot, (*Server).UnregisterRoot)
	handle(s, PathAuditList, (*Server).AuditList)
	handle(s, PathAuditVerify, (*Server).AuditVerify)
	s.handleUsers()
	s.handleQuotas()
	s.handleOrganizations()
	s.handleRoles()
	return nil
}

func handle[Request, Response any](s *Server, path string, do func(*Server, context.Context, Request) (Response, error)) {
	HandleAdmin(s.admin, path, func(ctx context.Context, r Request) (Response, error) { return do(s, ctx, r) })
}

// RotateKeysRequest asks for new signing keys, or to stop trusting one.
type RotateKeysRequest struct {
	Distrust string `json:"distrust"` // id of a signing key whose tokens must die; "" rotates
}

// SigningKeyInfo is a signing key as an operator sees it.
type SigningKeyInfo struct {
	ID         string    `json:"id"`
	Signs      string    `json:"signs,omitempty"` // "ID tokens", "session tokens", or "" for IAM tokens
	SignsFrom  time.Time `json:"signs_from"`
	SignsUntil time.Time `json:"signs_until,omitzero"`
}

// RotateKeysResult lists the keys after the command.
type RotateKeysResult struct {
	Keys []SigningKeyInfo `json:"keys"`
}

// RotateKeys makes new signing keys, which sign once every verifier must have
// heard of them; or distrusts one, which ends every token that it signed.
func (s *Server) RotateKeys(ctx context.Context, r RotateKeysRequest) (*RotateKeysResult, error) {
	var err error
	if r.Distrust != "" {
		err = s.keyring.Distrust(ctx, r.Distrust, func(tx *store.Tx, kind token.Kind, id string) error {
			if err := s.recordOperator(tx, "propusk.DistrustSigningKey", resource.Ref{Kind: "propusk.signingKey", ID: id}); err != nil {
				return err
			}
			return revocation.Revoke(tx, kind, id)
		})
		if errors.Is(err, iam.NotFound) {
			err = s.distrustIDKey(ctx, r.Distrust)
		}
	} else if err = s.keyring.Rotate(ctx); err == nil {
		if err = s.idKeys.Rotate(ctx); err == nil {
			err = s.registryKeys.Rotate(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	out := &RotateKeysResult{}
	for _, k := range s.keyring.PublicKeys() {
		out.Keys = append(out.Keys, SigningKeyInfo{ID: k.ID, SignsFrom: k.SignsFrom, SignsUntil: k.SignsUntil})
	}
	for _, k := range s.keyring.SessionKeys() {
		out.Keys = append(out.Keys, SigningKeyInfo{ID: k.ID, Signs: "session tokens", SignsFrom: k.SignsFrom, SignsUntil: k.SignsUntil})
	}
	ids, err := s.idKeys.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range ids {
		out.Keys = append(out.Keys, SigningKeyInfo{ID: k.ID, Signs: "ID tokens", SignsFrom: k.SignsFrom, SignsUntil: k.SignsUntil})
	}
	registry, err := s.listRegistryKeys(ctx)
	out.Keys = append(out.Keys, registry...)
	return out, err
}

// RootKeyResult is what a verifier pins.
type RootKeyResult struct {
	Installation string `json:"installation"`
	RootKey      []byte `json:"root_key"` // Ed25519 public key
}

// RootKey returns the key that certifies everything this installation publishes.
func (s *Server) RootKey(_ context.Context, _ struct{}) (*RootKeyResult, error) {
	key, err := s.keyring.RootKey(s.now())
	return &RootKeyResult{Installation: s.keyring.Installation(), RootKey: key}, err
}

// AuditListRequest filters the audit log. The zero value is the newest lines.
type AuditListRequest struct {
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Type     string    `json:"type"`
	Subject  string    `json:"subject"`
	Resource string    `json:"resource"`
	Limit    int       `json:"limit"` // 0 means 100, at most 10,000
}

// AuditListResult is lines in the order of their time.
type AuditListResult struct {
	Events []json.RawMessage `json:"events"`
}

const mostAuditLines = 10_000

// AuditList reads the audit log, what has not yet reached the store included.
func (s *Server) AuditList(ctx context.Context, r AuditListRequest) (*AuditListResult, error) {
	if r.Limit == 0 {
		r.Limit = 100
	}
	if r.Limit < 0 || r.Limit > mostAuditLines {
		return nil, iam.InvalidField("limit", "must be from 1 to %d", mostAuditLines)
	}
	if r.Type != "" && !strings.Contains(r.Type, ".audit.") {
		r.Type = audit.TypeOf(r.Type)
	}
	entries, err := audit.List(ctx, s.db, s.journal, audit.Filter{
		Since: r.Since, Until: r.Until, Type: r.Type, Subject: iam.SubjectID(r.Subject), ResourceID: r.Resource, Limit: r.Limit})
	if err != nil {
		return nil, err
	}
	out := &AuditListResult{Events: make([]json.RawMessage, 0, len(entries))}
	for _, e := range slices.Backward(entries) {
		out.Events = append(out.Events, e.Line)
	}
	return out, nil
}

// AuditVerifyResult says how much of the audit journals was checked.
type AuditVerifyResult struct {
	Journals []AuditJournal `json:"journals"`
}

// AuditJournal is how much of one journal was checked.
type AuditJournal struct {
	Node        string `json:"node"`
	Incarnation string `json:"incarnation"`
	From        int64  `json:"from"` // offset; above 0 when older parts were pruned
	To          int64  `json:"to"`
	Lines       int    `json:"lines"`
}

// AuditVerify follows the chain of every journal; FAILED_PRECONDITION lists
// what is cut, missing, moved or edited.
func (s *Server) AuditVerify(ctx context.Context, _ struct{}) (*AuditVerifyResult, error) {
	report, err := audit.Verify(ctx, s.db, s.journal)
	if err != nil {
		return nil, err
	}
	if len(report.Problems) > 0 {
		var b strings.Builder
		for _, p := range report.Problems {
			b.WriteString("\n  " + p.String())
		}
		return nil, iam.Errorf(iam.FailedPrecondition, "the audit log is not what was written:%s", b.String())
	}
	out := &AuditVerifyResult{Journals: []AuditJournal{}}
	for _, j := range report.Journals {
		out.Journals = append(out.Journals, AuditJournal(j))
	}
	return out, nil
}

// recordOperator writes the audit line of an operator's own change.
func (s *Server) recordOperator(tx *store.Tx, event string, on resource.Ref, details ...audit.Detail) error {
	e := operatorEvent(tx, event, details...)
	e.Resource.Path = []audit.Place{{Type: string(on.Kind), ID: on.ID}}
	return audit.Insert(tx, e)
}

func operatorEvent(tx *store.Tx, event string, details ...audit.Detail) *audit.Event {
	return &audit.Event{
		Type: audit.TypeOf(event), Time: tx.Now(), Status: audit.Done,
		Authorization: audit.Authorization{Authorized: true},
		Request:       audit.Request{UserAgent: "propusk operator"},
		Details:       details,
	}
}

// recordRotation writes the audit line of a new signing key, whether an
// operator asked for it or its time had come.
func (s *Server) recordRotation(tx *store.Tx, keyID string) error {
	return s.recordOperator(tx, "propusk.RotateSigningKey", resource.Ref{Kind: "propusk.signingKey", ID: keyID})
}

// recordJob writes the audit line of a change whose call is long over, or of
// why it was refused.
func (s *Server) recordJob(tx *store.Tx, event string, by iam.SubjectID, on resource.Ref, refused error) error {
	path, err := store.Ancestors(tx, on.ID)
	if err != nil {
		return err
	}
	e := &audit.Event{
		Type: audit.TypeOf(event), Time: tx.Now(), Status: audit.Done,
		Authentication: audit.Authentication{SubjectID: string(by)},
		Authorization:  audit.Authorization{Authorized: true},
		Request:        audit.Request{UserAgent: "propusk planned deletion"},
	}
	if refused != nil {
		e.Status, e.Error = audit.Failed, audit.FailureOf(refused)
	}
	for i := len(path) - 1; i >= 0; i-- {
		e.Resource.Path = append(e.Resource.Path, audit.Place{Type: string(path[i].Kind), ID: path[i].ID})
	}
	return audit.Insert(tx, e)
}

// buildDev makes or finds the development data and its key files.
func (s *Server) buildDev(ctx context.Context) (err error) {
	// The file says where a running server is; until then it must not be there.
	if err := os.Remove(filepath.Join(s.cfg.Data, DevEnvFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("development data: %w", err)
	}
	if s.dev, err = s.openDevWorld(ctx); err != nil {
		return err
	}
	if err := s.ensureDevKey(ctx, DevKeyFile, s.dev.ServiceAccountID); err != nil {
		return err
	}
	return s.ensureDevKey(ctx, DevAdminKeyFile, s.dev.AdminID)
}
