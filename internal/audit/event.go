// Package audit keeps the record of who did what: the event, the node's journal
// that holds the lines of what leaves no row behind, its way into the store, and
// the reading of it all. What it promises: a line that was acknowledged is never
// lost by a crash; a line that is cut, missing, moved or edited afterwards is
// found; and no line holds a token or a secret, whatever a caller sends.
//
// A change's event is inserted in the change's own transaction (Insert). Tokens
// issued and calls refused have no transaction: they go to the Journal, which
// ships them to the store once a second. List reads both.
package audit

import (
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Event is one line of the audit log, in the shape of an Audit Trails event
// [API fact: audit-trails/concepts/format]. Empty parts are left out of the
// line; times have microseconds; texts are cut at the limits of this package.
type Event struct {
	ID             string         `json:"event_id"`     // filled in when empty
	Source         string         `json:"event_source"` // the service: "iam", "resourcemanager"; filled in from Type when empty
	Type           string         `json:"event_type"`   // see TypeOf
	Time           time.Time      `json:"event_time"`   // filled in when zero
	Authentication Authentication `json:"authentication"`
	Authorization  Authorization  `json:"authorization"`
	Resource       Resource       `json:"resource_metadata"`
	Request        Request        `json:"request_metadata"`
	Status         Status         `json:"event_status"`
	Error          Failure        `json:"error"`   // left out when its Code is 0
	Details        Details        `json:"details"` // by the type of event
}

// Authentication is who called and how that was proved.
type Authentication struct {
	Authenticated bool        `json:"authenticated"`
	SubjectType   SubjectType `json:"subject_type"`
	SubjectID     string      `json:"subject_id"`
	SubjectName   string      `json:"subject_name"`
	Token         Token       `json:"token_info"`
	Proof         Proof       `json:"proof"`
}

// Token is the IAM token that proved the caller, and on whose behalf it acts.
type Token struct {
	ID               string      `json:"iam_token_id"`
	Masked           Masked      `json:"masked_iam_token"`
	ImpersonatorID   string      `json:"impersonator_id"`
	ImpersonatorType SubjectType `json:"impersonator_type"`
	ImpersonatorName string      `json:"impersonator_name"`
}

// Proof is how the caller was proved. It is this server's own addition to the
// Audit Trails envelope.
type Proof struct {
	CredentialType string `json:"credential_type"` // "jwt", "iamToken"
	CredentialID   string `json:"credential_id"`   // of the key or token; never the thing itself
	JWTDigest      string `json:"jwt_digest"`      // by which a JWT that is presented again is recognised
	JWTID          string `json:"jti"`
}

// Authorization is whether the call was allowed and what it needed.
type Authorization struct {
	Authorized  bool         `json:"authorized"`
	Permissions []Permission `json:"permissions"` // at most maxPermissions are written
}

// Permission is a permission asked of a resource.
type Permission struct {
	Permission   string `json:"permission"`
	ResourceType string `json:"resource_type"`
	ResourceID   string `json:"resource_id"`
}

// Resource is what the call was about.
type Resource struct {
	Path []Place `json:"path"` // outermost first; at most maxPath are written
}

// Place is one step of a resource path.
type Place struct {
	Type string `json:"resource_type"`
	ID   string `json:"resource_id"`
	Name string `json:"resource_name"`
}

// Request is where the call came from.
type Request struct {
	RemoteAddress string `json:"remote_address"`
	UserAgent     string `json:"user_agent"`
	ID            string `json:"request_id"`
}

// Status is the outcome of what the event tells.
type Status string

// The outcomes [API fact: event_status].
const (
	Started   Status = "STARTED"
	Done      Status = "DONE"
	Failed    Status = "ERROR"
	Cancelled Status = "CANCELLED"
)

// Failure is a google.rpc.Status without details.
type Failure struct {
	Code    uint32 `json:"code"` // of google.rpc.Code
	Message string `json:"message"`
}

// FailureOf is what an event says of an error: the kind and the text that the
// caller reads, never the hidden cause.
func FailureOf(err error) Failure {
	if err == nil {
		return Failure{}
	}
	f := Failure{Code: uint32(iam.KindOf(err))}
	if e, ok := asError(err); ok {
		f.Message = iam.Conceal(e.Message)
	}
	return f
}

// SubjectType is the type of a subject as the audit log spells it.
type SubjectType string

// The types of a caller [API fact: authentication.subject_type].
const (
	UserAccount    SubjectType = "YANDEX_PASSPORT_USER_ACCOUNT"
	ServiceAccount SubjectType = "SERVICE_ACCOUNT"
	FederatedUser  SubjectType = "FEDERATED_USER_ACCOUNT"
)

// SubjectTypeOf spells the type of a subject that can call; "" for others.
func SubjectTypeOf(t iam.SubjectType) SubjectType {
	switch t {
	case iam.TypeUserAccount:
		return UserAccount
	case iam.TypeServiceAccount:
		return ServiceAccount
	case iam.TypeFederatedUser:
		return FederatedUser
	}
	return ""
}

// Types of events that this server writes on its own account.
const (
	TypeRefusedCalls = "propusk.audit.iam.RefusedCalls" // refusals that were counted instead of written
	TypeLossAccepted = "propusk.audit.iam.JournalLossAccepted"
)

const typePrefix = "yandex.cloud.audit."

// TypeOf spells the type of an event from its short name, "iam.CreateIamToken".
func TypeOf(name string) string { return typePrefix + name }

// sourceOf is the service in an event's type.
func sourceOf(eventType string) string {
	_, rest, ok := strings.Cut(eventType, ".audit.")
	if !ok {
		return ""
	}
	source, _, _ := strings.Cut(rest, ".")
	return source
}

// complete fills in what the writer of an event may leave to this package.
func (e *Event) complete(now func() time.Time) {
	if e.ID == "" {
		e.ID = resource.NewID(resource.PrefixIAM)
	}
	if e.Source == "" {
		e.Source = sourceOf(e.Type)
	}
	if e.Time.IsZero() {
		e.Time = now()
	}
}

// organization is the id of the outermost organization of the path, "" when
// there is none.
func (e *Event) organization() string {
	for _, p := range e.Resource.Path {
		if p.Type == string(resource.Organization) {
			return p.ID
		}
	}
	return ""
}
