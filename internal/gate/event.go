package gate

import (
	"cmp"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// EventOf is the audit line of a call: of its success when err is nil, of its
// refusal or failure otherwise. It holds ids and never a credential.
func EventOf(c *Call, err error) *audit.Event {
	c.Request.complete()
	e := &audit.Event{
		Type:   audit.TypeOf(eventName(c)),
		Time:   c.Started,
		Status: cmp.Or(c.status, audit.Done),
		Request: audit.Request{
			RemoteAddress: c.Request.RemoteAddr, UserAgent: c.Request.UserAgent, ID: c.RequestID,
		},
		Details: c.details,
	}
	if id := c.Identity; id != nil {
		e.Authentication = audit.Authentication{
			Authenticated: true, SubjectType: audit.SubjectTypeOf(id.Subject.Type), SubjectID: string(id.Subject.ID),
			Token: audit.Token{ID: id.TokenID, ImpersonatorID: impersonatorOf(id)},
			Proof: audit.Proof{CredentialType: id.How, CredentialID: id.CredentialID, JWTDigest: id.JWTDigest},
		}
		e.Authorization.Authorized = true
	}
	// Permissions and path are told innermost last, as Audit Trails has them.
	for i := len(c.Path) - 1; i >= 0; i-- {
		e.Resource.Path = append(e.Resource.Path, audit.Place{Type: string(c.Path[i].Kind), ID: c.Path[i].ID})
	}
	if c.Rule.Permission != "" && len(c.Path) > 0 {
		e.Authorization.Permissions = []audit.Permission{{
			Permission: string(c.Rule.Permission), ResourceType: string(c.Path[0].Kind), ResourceID: c.Path[0].ID,
		}}
	}
	if err != nil {
		e.Status, e.Error = audit.Failed, audit.FailureOf(err)
		kind := iam.KindOf(err)
		e.Authorization.Authorized = e.Authorization.Authorized && kind != iam.PermissionDenied && kind != iam.NotFound
		return e
	}
	if t := c.Issued; t != nil {
		e.Details = append(e.Details, issuedDetails(c)...)
	}
	return e
}

// impersonatorOf is who took the identity of a caller with a derived token, ""
// when nobody did. What a token depends on is listed from its subject back to
// the one that everything began with.
func impersonatorOf(id *credential.Identity) string {
	for _, d := range id.DependsOn {
		if d.Kind == token.KindSubject && d.ID != string(id.Subject.ID) {
			return d.ID
		}
	}
	return ""
}

// issuedDetails tell of the token that a call made, and of who took whose identity.
func issuedDetails(c *Call) audit.Details {
	t := c.Issued
	d := audit.Details{
		audit.Text("iam_token_id", t.ID), audit.Text("subject_type", t.SubjectType), audit.Text("subject_id", t.SubjectID),
		audit.Time("expires_at", t.ExpiresAt), audit.Text("signing_key_id", t.KeyID),
	}
	if c.Identity != nil && c.Identity.How == credential.HowIAMToken {
		d = append(d, audit.Text("impersonator_id", string(c.Identity.Subject.ID)))
	}
	return d
}

// eventName is the row's event, or the method when a read was refused.
func eventName(c *Call) string {
	if c.Rule.Event != "" {
		return c.Rule.Event
	}
	return readEvent(c.Rule.Method)
}
