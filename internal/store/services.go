package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// ServiceState says whether a service is used in a cloud. A cloud has none for
// a service that nobody has touched.
type ServiceState struct {
	CloudID   string
	ServiceID string
	Enabled   bool
	UpdatedAt time.Time
}

// ServiceAgent is the service account that a part of a service acts with in a
// cloud.
type ServiceAgent struct {
	CloudID          string
	ServiceID        string
	MicroserviceID   string
	ServiceAccountID string
}

const (
	serviceEnabled  = "ENABLED"
	serviceDisabled = "DISABLED"
)

// PutServiceState writes whether a service is used in a live cloud.
func PutServiceState(tx *Tx, s ServiceState) error {
	if err := LockResource(tx, s.CloudID); err != nil {
		return err
	}
	status := serviceDisabled
	if s.Enabled {
		status = serviceEnabled
	}
	_, err := tx.exec(`INSERT INTO service_states (resource_id, service_id, status, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (resource_id, service_id) DO UPDATE SET status = excluded.status, updated_at = excluded.updated_at`,
		s.CloudID, s.ServiceID, status, micros(s.UpdatedAt))
	return err
}

// ServiceStates returns what is known of services in a cloud, by service id.
func ServiceStates(tx *Tx, cloudID string) (map[string]ServiceState, error) {
	out := map[string]ServiceState{}
	err := tx.each(`SELECT service_id, status, updated_at FROM service_states WHERE resource_id = $1`, []any{cloudID}, func(r Rows) error {
		s := ServiceState{CloudID: cloudID}
		var status string
		err := r.Scan(&s.ServiceID, &status, asTime(&s.UpdatedAt))
		s.Enabled = status == serviceEnabled
		out[s.ServiceID] = s
		return err
	})
	return out, err
}

// PutServiceAgent writes which account a part of a service acts with, in place
// of an earlier one.
func PutServiceAgent(tx *Tx, a ServiceAgent) error {
	_, err := tx.exec(`INSERT INTO service_agents (resource_id, service_id, microservice_id, service_account_id) VALUES ($1, $2, $3, $4)
		ON CONFLICT (resource_id, service_id, microservice_id) DO UPDATE SET service_account_id = excluded.service_account_id`,
		a.CloudID, a.ServiceID, a.MicroserviceID, a.ServiceAccountID)
	return err
}

// ServiceAgents returns the agents of a service in a cloud whose accounts are
// still there, by microservice id.
func ServiceAgents(tx *Tx, cloudID, serviceID string) (map[string]ServiceAgent, error) {
	out := map[string]ServiceAgent{}
	err := tx.each(`SELECT a.microservice_id, a.service_account_id FROM service_agents a
		JOIN service_accounts s ON s.id = a.service_account_id
		WHERE a.resource_id = $1 AND a.service_id = $2`, []any{cloudID, serviceID}, func(r Rows) error {
		a := ServiceAgent{CloudID: cloudID, ServiceID: serviceID}
		err := r.Scan(&a.MicroserviceID, &a.ServiceAccountID)
		out[a.MicroserviceID] = a
		return err
	})
	return out, err
}

// FolderOfAgents returns the active folder in which a cloud's agents live; ""
// when there is none.
func FolderOfAgents(tx *Tx, cloudID string) (string, error) {
	var id string
	_, err := tx.one(`SELECT f.id FROM service_agents a JOIN service_accounts s ON s.id = a.service_account_id
		JOIN folders f ON f.id = s.folder_id
		WHERE a.resource_id = $1 AND f.status = $2 ORDER BY f.id LIMIT 1`, []any{cloudID, string(iam.FolderActive)}, &id)
	return id, err
}
