// Package iam is the vocabulary of Propusk: subjects, permissions, roles,
// bindings, the containers and what lives in them, and the kinds of failure.
// It does no I/O and declares no interfaces; every room speaks it.
package iam

import (
	"strings"
	"time"
)

// SubjectID names anyone who can be given a role.
type SubjectID string

// SubjectType is the kind of a subject, spelled as access bindings spell it.
type SubjectType string

// The types of a subject [API fact: access.proto, Subject.type].
const (
	TypeUserAccount    SubjectType = "userAccount"
	TypeServiceAccount SubjectType = "serviceAccount"
	TypeFederatedUser  SubjectType = "federatedUser"
	TypeGroup          SubjectType = "group"
	TypeSystem         SubjectType = "system"
	// TypeAnonymous is one who has not said who he is. He has no id, nothing is
	// bound to him, and he counts as allUsers where the kind of resource says so.
	TypeAnonymous SubjectType = "anonymous"
)

// Subject is anyone who can be given a role.
type Subject struct {
	ID   SubjectID
	Type SubjectType
}

// The system groups whose ids are fixed.
const (
	AllUsers              SubjectID = "allUsers"
	AllAuthenticatedUsers SubjectID = "allAuthenticatedUsers"
)

// OrganizationUsers is the system group of everyone in an organization.
func OrganizationUsers(organizationID string) SubjectID {
	return SubjectID("group:organization:" + organizationID + ":users")
}

// OrganizationOfUsers is the id of the organization that a system group of
// OrganizationUsers is of; false for any other subject.
func OrganizationOfUsers(group SubjectID) (organizationID string, ok bool) {
	rest, ok := strings.CutPrefix(string(group), "group:organization:")
	id, end := strings.CutSuffix(rest, ":users")
	return id, ok && end && id != ""
}

// FederationUsers is the system group of everyone in a federation.
func FederationUsers(federationID string) SubjectID {
	return SubjectID("group:federation:" + federationID + ":users")
}

// Permission is the smallest right, "service.resources.verb".
type Permission string

// RoleID names a role, such as "resource-manager.viewer".
type RoleID string

// Role is a named set of permissions.
type Role struct {
	ID          RoleID
	Description string
	Includes    []RoleID
	Permissions []Permission // its own, without those of Includes
	// Organization is the one in which alone the role can be seen, bound, and
	// counts; "" for everybody's.
	Organization string
}

// AccessBinding gives a role to a subject on the resource that holds it.
type AccessBinding struct {
	Role    RoleID
	Subject Subject
}

// Position is a place in the change feed: the number of the last change seen.
type Position uint64

// Organization is the root of a tree of resources.
type Organization struct {
	ID          string
	Name        string
	Title       string
	Description string
	Labels      map[string]string
	CreatedAt   time.Time
}

// Cloud belongs to an organization and holds folders.
type Cloud struct {
	ID             string
	OrganizationID string
	Name           string
	Description    string
	Labels         map[string]string
	CreatedAt      time.Time
}

// FolderStatus is the state of a folder as the API names it.
type FolderStatus string

// States of a folder [API fact: Folder.Status].
const (
	FolderActive          FolderStatus = "ACTIVE"
	FolderDeleting        FolderStatus = "DELETING"
	FolderPendingDeletion FolderStatus = "PENDING_DELETION"
)

// Folder belongs to a cloud and holds resources, service accounts among them.
type Folder struct {
	ID          string
	CloudID     string
	Name        string // unique within the cloud
	Description string
	Labels      map[string]string
	Status      FolderStatus
	CreatedAt   time.Time
}

// ServiceAccountStatus is the state of a service account as the API names it.
type ServiceAccountStatus string

// States of a service account [API fact: ServiceAccount.Status].
const (
	ServiceAccountActive    ServiceAccountStatus = "ACTIVE"
	ServiceAccountSuspended ServiceAccountStatus = "SUSPENDED"
)

// ServiceAccount is a subject for programs, living in a folder.
type ServiceAccount struct {
	ID                  string
	FolderID            string
	Name                string // unique within the cloud
	Description         string
	Labels              map[string]string
	Status              ServiceAccountStatus // as stored; see StatusAt
	SuspendReason       string
	ExpiresAt           time.Time // zero: never. From then on the account counts as suspended
	CreatedAt           time.Time
	LastAuthenticatedAt time.Time // zero: never
}

// StatusAt is the account's state at a moment: expiry suspends by itself,
// whether or not a job has written it down.
func (a ServiceAccount) StatusAt(now time.Time) ServiceAccountStatus {
	if !a.ExpiresAt.IsZero() && !now.Before(a.ExpiresAt) {
		return ServiceAccountSuspended
	}
	return a.Status
}

// KeyAlgorithm is the algorithm of an authorized key as the API names it.
type KeyAlgorithm string

// Algorithms of authorized keys [API fact: Key.Algorithm].
const (
	RSA2048 KeyAlgorithm = "RSA_2048"
	RSA4096 KeyAlgorithm = "RSA_4096"
)

// Key is an authorized key: the public half of what signs a service account's
// JWTs. The private half is never kept.
type Key struct {
	ID               string
	ServiceAccountID string
	Description      string
	Algorithm        KeyAlgorithm
	PublicKey        string // PEM, "PUBLIC KEY"
	CreatedAt        time.Time
	LastUsedAt       time.Time // zero: never
}

// APIKey is a secret of a service account that is narrowed to scopes. The
// secret itself is never kept.
type APIKey struct {
	ID               string
	ServiceAccountID string
	Description      string
	Scope            string    // as given in the API's older field; "" otherwise
	Scopes           []string  // at least one, in the order they were given
	MaskedSecret     string    // four stars and the last six characters
	Lookup           string    // the first half of Hash in hexadecimal: unique
	Hash             []byte    // SHA-256 of the secret
	ExpiresAt        time.Time // zero: never
	CreatedAt        time.Time
	LastUsedAt       time.Time // zero: never
}

// UserAccountStatus is the state of a person's account.
type UserAccountStatus string

// States of a person's account.
const (
	UserAccountActive    UserAccountStatus = "ACTIVE"
	UserAccountSuspended UserAccountStatus = "SUSPENDED" // proves nothing; what was given to the person stays
)

// UserAccount is a person known to this server.
type UserAccount struct {
	ID                  string
	Login               string // unique, compared exactly, without an @
	Email               string // unique unless "", as CanonicalEmail makes it; leads to the person as the login does
	EmailUnverified     bool   // nobody vouches that the address is his
	Name                string // as shown
	GivenName           string
	FamilyName          string
	Status              UserAccountStatus
	SuspendReason       string
	CreatedAt           time.Time
	LastAuthenticatedAt time.Time
}

// MembershipID names the belonging of a subject to an organization: what ends
// with it depends on token.KindOrganization with this id.
func MembershipID(organizationID string, subject SubjectID) string {
	return organizationID + "/" + string(subject)
}

// Message is a typed, encoded message that a room keeps without knowing it:
// the type name and the bytes of a google.protobuf.Any.
type Message struct {
	Type  string // full message name, such as "yandex.cloud.iam.v1.Key"
	Value []byte
}

// Operation is a long-running operation, always stored, mostly already done.
type Operation struct {
	ID          string
	ResourceID  string // what ListOperations of that resource shows
	Description string
	CreatedBy   SubjectID
	CreatedAt   time.Time
	ModifiedAt  time.Time
	Done        bool
	Metadata    Message
	Response    Message // set when done well; never holds a secret
	ErrorKind   Kind    // set when failed
	ErrorText   string
}

// RegisteredResource is a resource of another service that is known here so
// that access to it is decided here.
type RegisteredResource struct {
	ID          string
	Type        string // a registered type, such as "ydb.database"
	ParentID    string // a folder or another such resource; "" for a root of its own
	Name        string
	Description string
	Labels      map[string]string
	CreatedAt   time.Time
}
