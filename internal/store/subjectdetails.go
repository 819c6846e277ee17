package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// SubjectDetails is what is known of one subject. Exactly one of User, Account
// and Group is set.
type SubjectDetails struct {
	User          *iam.UserAccount
	Account       *AccountDetails
	Group         *NamedGroup
	Organizations []string     // a person's, ordered by id
	Groups        []NamedGroup // that a person or an account is in, ordered by id
}

// AccountDetails is a service account, the names of what it stands in, and the
// service that acts with it, if any.
type AccountDetails struct {
	iam.ServiceAccount
	FolderName, CloudID, CloudName string
	OrganizationID                 string
	ServiceID, MicroserviceID      string // "" when it is no service's agent
}

// NamedGroup is as much of a group as is shown beside others.
type NamedGroup struct {
	ID, OrganizationID, Name string
	ExternalID               string    // of the subject itself only
	CreatedAt                time.Time // of the subject itself only
}

// LoadSubjects returns what is known of people, service accounts and groups
// with the given ids; of their groups and memberships those in one organization,
// or all when it is "". Unknown ids are left out. The work is a few statements, however many
// ids there are.
func LoadSubjects(tx *Tx, ids []iam.SubjectID, organizationID string) (map[iam.SubjectID]*SubjectDetails, error) {
	out := make(map[iam.SubjectID]*SubjectDetails, len(ids))
	for _, load := range []func(*Tx, []iam.SubjectID, string, map[iam.SubjectID]*SubjectDetails) error{
		loadPeople, loadAccounts, loadGroups, loadMemberships, loadGroupsOf,
	} {
		if err := load(tx, ids, organizationID, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func loadPeople(tx *Tx, ids []iam.SubjectID, _ string, out map[iam.SubjectID]*SubjectDetails) error {
	list, args := in(nil, ids)
	people, err := collect(tx, scanUser, `SELECT `+userColumns+` FROM user_accounts u WHERE u.id IN `+list, args...)
	for _, u := range people {
		out[iam.SubjectID(u.ID)] = &SubjectDetails{User: u}
	}
	return err
}

func loadAccounts(tx *Tx, ids []iam.SubjectID, _ string, out map[iam.SubjectID]*SubjectDetails) error {
	list, args := in(nil, ids)
	return tx.each(`SELECT s.id, s.folder_id, s.name, s.status, s.suspend_reason, s.expires_at, s.created_at, s.last_authenticated_at,
			f.name, c.id, c.name, c.organization_id, COALESCE(a.service_id, ''), COALESCE(a.microservice_id, '')
		FROM service_accounts s JOIN folders f ON f.id = s.folder_id JOIN clouds c ON c.id = s.cloud_id
		LEFT JOIN service_agents a ON a.service_account_id = s.id WHERE s.id IN `+list, args, func(r Rows) error {
		a := &AccountDetails{}
		var status string
		err := r.Scan(&a.ID, &a.FolderID, &a.Name, &status, &a.SuspendReason, asTime(&a.ExpiresAt), asTime(&a.CreatedAt),
			asTime(&a.LastAuthenticatedAt), &a.FolderName, &a.CloudID, &a.CloudName, &a.OrganizationID, &a.ServiceID, &a.MicroserviceID)
		a.Status = iam.ServiceAccountStatus(status)
		out[iam.SubjectID(a.ID)] = &SubjectDetails{Account: a}
		return err
	})
}

func loadGroups(tx *Tx, ids []iam.SubjectID, _ string, out map[iam.SubjectID]*SubjectDetails) error {
	list, args := in(nil, ids)
	return tx.each(`SELECT id, organization_id, name, external_id, created_at FROM groups WHERE id IN `+list, args, func(r Rows) error {
		g := &NamedGroup{}
		err := r.Scan(&g.ID, &g.OrganizationID, &g.Name, &g.ExternalID, asTime(&g.CreatedAt))
		out[iam.SubjectID(g.ID)] = &SubjectDetails{Group: g}
		return err
	})
}

func loadMemberships(tx *Tx, ids []iam.SubjectID, organizationID string, out map[iam.SubjectID]*SubjectDetails) error {
	list, args := in(nil, ids)
	query := `SELECT subject_id, organization_id FROM organization_members WHERE subject_id IN ` + list
	if organizationID != "" {
		args = append(args, organizationID)
		query += ` AND organization_id = ` + placeholder(args)
	}
	return tx.each(query+` ORDER BY subject_id, organization_id`, args, func(r Rows) error {
		var id, organization string
		err := r.Scan(&id, &organization)
		if s := out[iam.SubjectID(id)]; s != nil {
			s.Organizations = append(s.Organizations, organization)
		}
		return err
	})
}

func loadGroupsOf(tx *Tx, ids []iam.SubjectID, organizationID string, out map[iam.SubjectID]*SubjectDetails) error {
	list, args := in(nil, ids)
	query := `SELECT m.subject_id, g.id, g.organization_id, g.name FROM group_members m JOIN groups g ON g.id = m.group_id
		WHERE m.subject_id IN ` + list
	if organizationID != "" {
		args = append(args, organizationID)
		query += ` AND g.organization_id = ` + placeholder(args)
	}
	return tx.each(query+` ORDER BY m.subject_id, g.id`, args, func(r Rows) error {
		var id string
		var g NamedGroup
		err := r.Scan(&id, &g.ID, &g.OrganizationID, &g.Name)
		if s := out[iam.SubjectID(id)]; s != nil {
			s.Groups = append(s.Groups, g)
		}
		return err
	})
}

// The subjects around an organization are its members, accounts and groups,
// and whoever is bound on the organization itself; around a folder, its
// accounts and whoever is bound on it or above it. System groups are no
// subjects with details. Every part of a union is cut by an index alone.
type subjectSource struct{ column, from string }

func subjectsAround(at []resource.Ref) ([]subjectSource, []any) {
	const bound = `access_bindings WHERE subject_type <> 'system' AND resource_id = `
	sources := []subjectSource{
		{"subject_id", `organization_members WHERE organization_id = $1`},
		{"id", `resources WHERE organization_id = $1 AND kind = 'iam.serviceAccount' AND deleted_at IS NULL`},
		{"id", `groups WHERE organization_id = $1`},
	}
	args := []any{at[0].ID}
	if at[0].Kind == resource.Folder {
		sources = []subjectSource{{"id", `service_accounts WHERE folder_id = $1`}}
	}
	for i, r := range at {
		if i > 0 {
			args = append(args, r.ID)
		}
		sources = append(sources, subjectSource{"subject_id", bound + placeholder(args)})
	}
	return sources, args
}

// ListSubjectsAround returns the ids of the subjects around a live organization
// or folder, given with what stands above it, after a given one ("" at the
// start), ordered, at most limit.
func ListSubjectsAround(tx *Tx, at []resource.Ref, after iam.SubjectID, limit int) ([]iam.SubjectID, error) {
	if limit <= 0 {
		return nil, nil
	}
	sources, args := subjectsAround(at)
	args = append(args, string(after))
	afterArg := placeholder(args)
	args = append(args, limit)
	limitArg := placeholder(args)
	query := ""
	for i, s := range sources {
		if i > 0 {
			query += ` UNION `
		}
		query += `SELECT id FROM (SELECT DISTINCT ` + s.column + ` AS id FROM ` + s.from + ` AND ` + s.column + ` > ` + afterArg +
			` ORDER BY ` + s.column + ` LIMIT ` + limitArg + `) AS part`
	}
	return collect(tx, scanSubjectID, query+` ORDER BY id LIMIT `+limitArg, args...)
}

// AreAround tells which of some subjects are around a live organization or
// folder; see ListSubjectsAround.
func AreAround(tx *Tx, at []resource.Ref, ids []iam.SubjectID) (map[iam.SubjectID]bool, error) {
	sources, args := subjectsAround(at)
	list, args := in(args, ids)
	query := ""
	for i, s := range sources {
		if i > 0 {
			query += ` UNION `
		}
		query += `SELECT ` + s.column + ` AS id FROM ` + s.from + ` AND ` + s.column + ` IN ` + list
	}
	found, err := collect(tx, scanSubjectID, query, args...)
	out := make(map[iam.SubjectID]bool, len(found))
	for _, id := range found {
		out[id] = true
	}
	return out, err
}
