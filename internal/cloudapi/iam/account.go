package iam

import (
	"errors"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// holdAccount keeps others from changing an account and its API keys until the
// end of the transaction: a change that read them earlier would bring back what
// it does not write itself, scopes among it. The miss of an account that is gone
// is left to the read that follows.
func holdAccount(tx *store.Tx, id string) error {
	if err := store.LockResource(tx, id); err != nil && !errors.Is(err, iam.NotFound) {
		return err
	}
	return nil
}

// noteAccount tells the audit line whose key it is [API fact: details of
// CreateApiKey and DeleteApiKey].
func noteAccount(tx *store.Tx, call *gate.Call, id string) error {
	a, err := store.GetServiceAccount(tx, id)
	if err != nil {
		return err
	}
	call.NoteDetail(audit.Text("service_account_id", a.ID))
	call.NoteDetail(audit.Text("service_account_name", a.Name))
	return nil
}
