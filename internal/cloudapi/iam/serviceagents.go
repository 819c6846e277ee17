package iam

import (
	"fmt"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// agents are the service accounts that a service acts with in a cloud. They
// live in a folder of the cloud made for all agents, where the cloud's people
// see them and give them roles. Ids are made before the transaction, which may
// run twice.
type agents struct {
	service  knownService
	cloudID  string
	folderID string            // of the folder, if one must be made
	ids      map[string]string // of new accounts, by microservice
}

func newAgents(service knownService, cloudID string) *agents {
	a := &agents{service: service, cloudID: cloudID, folderID: resource.NewIDFor(resource.Folder), ids: map[string]string{}}
	for _, m := range service.Microservices {
		a.ids[m] = resource.NewIDFor(resource.ServiceAccount)
	}
	return a
}

// suspendedBy is the reason that a suspended agent shows, and by which it is
// known as suspended for no other.
func (a *agents) suspendedBy() string { return "service " + a.service.ID + " is disabled" }

// enable makes the agents that are missing and wakes those that disable put to
// sleep. Who suspended an agent for another reason wants it suspended.
func (a *agents) enable(tx *store.Tx) error {
	have, err := store.ServiceAgents(tx, a.cloudID, a.service.ID)
	if err != nil {
		return err
	}
	for _, m := range a.service.Microservices {
		agent, ok := have[m]
		if !ok {
			if err := a.make(tx, m); err != nil {
				return err
			}
			continue
		}
		account, err := store.GetServiceAccount(tx, agent.ServiceAccountID)
		if err != nil {
			return err
		}
		if account.Status == iam.ServiceAccountSuspended && account.SuspendReason == a.suspendedBy() {
			if err := store.SetServiceAccountStatus(tx, account.ID, iam.ServiceAccountActive, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *agents) make(tx *store.Tx, microservice string) error {
	folderID, err := a.folder(tx)
	if err != nil {
		return err
	}
	id := a.ids[microservice]
	// Names are unique within the cloud; the end of the id keeps this one free.
	err = store.InsertServiceAccount(tx, &iam.ServiceAccount{
		ID: id, FolderID: folderID, Name: fmt.Sprintf("%s-%s-%s", a.service.ID, microservice, id[len(id)-8:]),
		Description: fmt.Sprintf("Agent of %s of the service %s", microservice, a.service.ID),
		Status:      iam.ServiceAccountActive, CreatedAt: tx.Now(),
	})
	if err != nil {
		return err
	}
	return store.PutServiceAgent(tx, store.ServiceAgent{
		CloudID: a.cloudID, ServiceID: a.service.ID, MicroserviceID: microservice, ServiceAccountID: id})
}

// folder finds the folder of the cloud's agents or makes it. One that merely
// has the right name is not it: who rules there would rule the agents.
func (a *agents) folder(tx *store.Tx) (string, error) {
	id, err := store.FolderOfAgents(tx, a.cloudID)
	if err != nil || id != "" {
		return id, err
	}
	return a.folderID, store.InsertFolder(tx, &iam.Folder{
		ID: a.folderID, CloudID: a.cloudID, Name: "service-agents-" + a.folderID[len(a.folderID)-8:],
		Description: "Service accounts that services act with in this cloud", Status: iam.FolderActive, CreatedAt: tx.Now(),
	})
}

func (a *agents) disable(tx *store.Tx) error {
	have, err := store.ServiceAgents(tx, a.cloudID, a.service.ID)
	if err != nil {
		return err
	}
	for _, agent := range have {
		account, err := store.GetServiceAccount(tx, agent.ServiceAccountID)
		if err != nil {
			return err
		}
		if account.Status == iam.ServiceAccountSuspended {
			continue
		}
		if err := store.SetServiceAccountStatus(tx, account.ID, iam.ServiceAccountSuspended, a.suspendedBy()); err != nil {
			return err
		}
		if err := revocation.Revoke(tx, token.KindSubject, account.ID); err != nil {
			return err
		}
	}
	return nil
}
