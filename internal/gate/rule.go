package gate

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Proof says where a method's credential is.
type Proof int

// Places of a credential.
const (
	Header  Proof = iota // Authorization: Bearer <IAM token>
	Body                 // in the message itself, as in IamTokenService.Create
	Open                 // nothing to prove: discovery
	Service              // the caller is another service: its certificate or token; on AttachServices' listener alone
)

// Effect says what a method leaves behind.
type Effect int

// Effects of a method.
const (
	Reads   Effect = iota // changes nothing; an idempotency key is ignored
	Changes               // changes rows; the audit line is in the change's transaction
	Issues                // hands out a credential without a row; the journal has its line first
)

// Target says which resource a method's permission is asked on.
type Target struct {
	Field  string        // path of the id in the request, as the proto names it
	Kind   resource.Kind // what the id must name
	Via    string        // "" or the name of a Lookup that leads from the id to the resource
	Caller bool          // an empty field means the calling service account
}

// On targets a resource of the tree by a field of the request.
func On(kind resource.Kind, field string) Target { return Target{Kind: kind, Field: field} }

// OnOrCaller is On for fields whose empty value means the caller itself
// [API fact: KeyService, "defaults to the subject that made the request"].
func OnOrCaller(kind resource.Kind, field string) Target {
	return Target{Kind: kind, Field: field, Caller: true}
}

// Via targets the resource that a thing with an id of its own belongs to.
func Via(lookup, field string) Target { return Target{Via: lookup, Field: field} }

// Rule is one row: everything the corridor needs to know of a method.
type Rule struct {
	Method     string         // "/package.Service/Method"; Rules fills the service in
	Proof      Proof          // where the credential is
	Permission iam.Permission // needed on Target; empty: any proved caller, and Why says why
	Target     Target
	Why        string // required when Permission is empty: what protects the method instead
	Effect     Effect
	Event      string // audit event type without "yandex.cloud.audit.", for Changes and Issues
	Door       string // the only door that may call it; "" means every one. See Only
	Missing    bool   // not built: every call is answered UNIMPLEMENTED
}

// Only marks rows as another door's own: neither gRPC nor REST serves them. It
// is for methods that a door calls in place of what a client has asked in a
// language of its own, when the message holds both that question as the client
// signed it and what the door has read out of it: nobody else may say what that is.
func Only(door string, rows ...Rule) []Rule {
	for i := range rows {
		rows[i].Door = door
	}
	return rows
}

// Rules completes rows of one service: Method holds the bare method name.
func Rules(service string, rows ...Rule) []Rule {
	for i := range rows {
		rows[i].Method = "/" + service + "/" + rows[i].Method
	}
	return rows
}
