package quota

import (
	"slices"

	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// ID names a quota: service, what is counted, and the unit.
type ID string

// The quotas that something counts against.
const (
	ServiceAccounts ID = "iam.serviceAccounts.count"
	AuthorizedKeys  ID = "iam.authorizedKeys.count"
	APIKeys         ID = "iam.apiKeys.count"
	AccessKeys      ID = "iam.accessKeys.count"
	WLIFederations  ID = "iam.oidcWLIFederations.count"
	Credentials     ID = "iam.saFederatedCredentials.count"
	Folders         ID = "resource-manager.folders.count"
	Clouds          ID = "organization-manager.clouds.count"
	Memberships     ID = "organization-manager.memberships.count"
	Federations     ID = "organization-manager.federations.count"
	Groups          ID = "organization-manager.groups.count"
	GroupMembers    ID = "organization-manager.groupMembers.count"
	SubjectGroups   ID = "organization-manager.subjectGroups.count"
	AccessBindings  ID = "organization-manager.accessBindings.count"
)

// Quota is one row of the table.
type Quota struct {
	ID      ID
	Kind    resource.Kind // of what carries the limit
	Default int64
	What    string // for people: what is counted
	Within  bool   // each of something inside the carrier may hold so many

	// count counts up to most. It is nil for kinds of things that this server
	// does not make, of which therefore there are none.
	count func(tx *store.Tx, carrier, of string, most int) (int, error)
}

// table holds the documented defaults [API fact: IAM limits, organization
// limits]. The numbers of the resource manager are not documented: 100 folders
// for a cloud is our choice, and so are the ids of folders, clouds, groups,
// members, subjectGroups and accessBindings.
var table = []Quota{
	{ServiceAccounts, resource.Cloud, 100, "service accounts of a cloud", false, on(store.CountServiceAccounts)},
	{AuthorizedKeys, resource.Cloud, 1000, "authorized keys of a cloud", false, on(store.CountKeys)},
	{APIKeys, resource.Cloud, 1000, "API keys of a cloud", false, on(store.CountAPIKeys)},
	{AccessKeys, resource.Cloud, 1000, "static access keys of a cloud", false, on(store.CountAccessKeys)},
	{WLIFederations, resource.Cloud, 50, "workload identity federations of a cloud", false, nil},
	{Credentials, resource.Cloud, 200, "federated credentials of a cloud", false, nil},
	{Folders, resource.Cloud, 100, "folders of a cloud", false, on(store.CountFolders)},
	{Clouds, resource.Organization, 5, "clouds of an organization", false, on(store.CountClouds)},
	{Memberships, resource.Organization, 10_000, "members of an organization", false, on(store.CountMembers)},
	{Federations, resource.Organization, 10, "identity federations of an organization", false, nil},
	{Groups, resource.Organization, 100, "groups of an organization", false, on(store.CountGroups)},
	{GroupMembers, resource.Organization, 1000, "members of each group", true, of(store.CountGroupMembers)},
	{SubjectGroups, resource.Organization, 1000, "groups that each subject is in", true, store.CountGroupsOf},
	{AccessBindings, resource.Organization, 2000, "access bindings in an organization", false, on(store.CountBindings)},
}

func on(count func(*store.Tx, string, int) (int, error)) func(*store.Tx, string, string, int) (int, error) {
	return func(tx *store.Tx, carrier, _ string, most int) (int, error) { return count(tx, carrier, most) }
}

func of(count func(*store.Tx, string, int) (int, error)) func(*store.Tx, string, string, int) (int, error) {
	return func(tx *store.Tx, _, of string, most int) (int, error) { return count(tx, of, most) }
}

// Find returns a quota, nil when there is none of that id.
func Find(id ID) *Quota {
	for i := range table {
		if table[i].ID == id {
			return &table[i]
		}
	}
	return nil
}

// Of returns the quotas that a kind of resource carries, ordered by id; of one
// service unless that is "".
func Of(kind resource.Kind, service string) []*Quota {
	var out []*Quota
	for i := range table {
		if q := &table[i]; q.Kind == kind && (service == "" || q.Service().ID == service) {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, func(a, b *Quota) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out
}

// Service is a service that has quotas.
type Service struct{ ID, Name string }

var services = []Service{
	{"iam", "Identity and Access Management"},
	{"organization-manager", "Organization Manager"},
	{"resource-manager", "Resource Manager"},
}

// Service is the one that a quota belongs to, which its id begins with.
func (q *Quota) Service() Service {
	for _, s := range services {
		if len(q.ID) > len(s.ID) && string(q.ID[:len(s.ID)]) == s.ID && q.ID[len(s.ID)] == '.' {
			return s
		}
	}
	return Service{}
}

// Services returns the services with quotas on a kind of resource, ordered by
// id; none for a kind that carries none.
func Services(kind resource.Kind) []Service {
	var out []Service
	for _, s := range services {
		if len(Of(kind, s.ID)) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// HasQuotas tells whether a kind of resource carries limits.
func HasQuotas(kind resource.Kind) bool { return len(Of(kind, "")) > 0 }
