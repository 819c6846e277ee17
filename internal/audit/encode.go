package audit

import (
	"errors"
	"strconv"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// AppendJSON appends the event as one line of JSON without the line's end. It
// always is one valid object of at most MaxEventSize bytes, whatever the event
// holds, and the same event always gives the same bytes. Decode reads it back.
func (e *Event) AppendJSON(b []byte) []byte {
	b = append(b, eventOpen...)
	b = appendString(b, e.ID, maxID)
	b = appendMember(b, `,"event_source":`, e.Source, maxID)
	b = appendMember(b, `,"event_type":`, e.Type, maxID)
	b = append(b, timeMember...)
	b = appendTime(b, e.Time)
	b = append(b, '"')
	b = e.Authentication.append(b)
	b = e.Authorization.append(b)
	b = e.Resource.append(b)
	b = e.Request.append(b)
	b = appendMember(b, `,"event_status":`, string(e.Status), maxID)
	if e.Error.Code != 0 {
		b = append(b, `,"error":{"code":`...)
		b = strconv.AppendUint(b, uint64(e.Error.Code), 10)
		b = appendFreeMember(b, `,"message":`, e.Error.Message, maxText)
		b = append(b, '}')
	}
	b = e.Details.append(b)
	return append(b, '}')
}

// MarshalJSON is AppendJSON.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

const (
	eventOpen  = `{"event_id":` // tells an event's line from the journal's own
	timeMember = `,"event_time":"`
)

// appendMember appends a member of an object whose text is not empty.
func appendMember(b []byte, name, text string, limit int) []byte {
	if text == "" {
		return b
	}
	return appendString(append(b, name...), text, limit)
}

func appendFreeMember(b []byte, name, text string, limit int) []byte {
	if text == "" {
		return b
	}
	return appendFree(append(b, name...), text, limit)
}

// appendTime appends RFC 3339 in UTC with six digits of a second. Years that
// RFC 3339 cannot spell are moved to its ends.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Year() < 0 {
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	} else if t.Year() > 9999 {
		t = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	}
	b = t.AppendFormat(b, time.RFC3339)
	b[len(b)-1] = '.' // was Z
	us := t.Nanosecond() / 1000
	for div := 100000; div > 0; div /= 10 {
		b = append(b, byte('0'+us/div%10))
	}
	return append(b, 'Z')
}

func (a *Authentication) append(b []byte) []byte {
	b = append(b, `,"authentication":{"authenticated":`...)
	b = strconv.AppendBool(b, a.Authenticated)
	b = appendMember(b, `,"subject_type":`, string(a.SubjectType), maxID)
	b = appendMember(b, `,"subject_id":`, a.SubjectID, maxID)
	b = appendFreeMember(b, `,"subject_name":`, a.SubjectName, maxName)
	b = a.Token.append(b)
	b = a.Proof.append(b)
	return append(b, '}')
}

func (t *Token) append(b []byte) []byte {
	if *t == (Token{}) {
		return b
	}
	b = append(b, `,"token_info":`...)
	start := len(b)
	b = appendMember(b, `,"iam_token_id":`, t.ID, maxID)
	b = appendMember(b, `,"masked_iam_token":`, t.Masked.text, maxID)
	b = appendMember(b, `,"impersonator_id":`, t.ImpersonatorID, maxID)
	b = appendMember(b, `,"impersonator_type":`, string(t.ImpersonatorType), maxID)
	b = appendFreeMember(b, `,"impersonator_name":`, t.ImpersonatorName, maxName)
	return enclose(b, start, '{', '}')
}

func (p *Proof) append(b []byte) []byte {
	if *p == (Proof{}) {
		return b
	}
	b = append(b, `,"proof":`...)
	start := len(b)
	b = appendMember(b, `,"credential_type":`, p.CredentialType, maxID)
	b = appendFreeMember(b, `,"credential_id":`, p.CredentialID, maxID)
	b = appendMember(b, `,"jwt_digest":`, p.JWTDigest, maxID)
	b = appendFreeMember(b, `,"jti":`, p.JWTID, maxID)
	return enclose(b, start, '{', '}')
}

func (a *Authorization) append(b []byte) []byte {
	b = append(b, `,"authorization":{"authorized":`...)
	b = strconv.AppendBool(b, a.Authorized)
	if len(a.Permissions) > 0 {
		b = append(b, `,"permissions":`...)
		start := len(b)
		for i := range a.Permissions[:min(len(a.Permissions), maxPermissions)] {
			p := &a.Permissions[i]
			b = append(b, ',')
			inner := len(b)
			b = appendMember(b, `,"permission":`, p.Permission, maxID)
			b = appendMember(b, `,"resource_type":`, p.ResourceType, maxID)
			b = appendFreeMember(b, `,"resource_id":`, p.ResourceID, maxID)
			b = enclose(b, inner, '{', '}')
		}
		b = enclose(b, start, '[', ']')
	}
	return append(b, '}')
}

func (r *Resource) append(b []byte) []byte {
	if len(r.Path) == 0 {
		return b
	}
	b = append(b, `,"resource_metadata":{"path":`...)
	start := len(b)
	for i := range r.Path[:min(len(r.Path), maxPath)] {
		p := &r.Path[i]
		b = append(b, ',')
		inner := len(b)
		b = appendMember(b, `,"resource_type":`, p.Type, maxID)
		b = appendFreeMember(b, `,"resource_id":`, p.ID, maxID)
		b = appendFreeMember(b, `,"resource_name":`, p.Name, maxName)
		b = enclose(b, inner, '{', '}')
	}
	b = enclose(b, start, '[', ']')
	return append(b, '}')
}

func (r *Request) append(b []byte) []byte {
	if *r == (Request{}) {
		return b
	}
	b = append(b, `,"request_metadata":`...)
	start := len(b)
	b = appendFreeMember(b, `,"remote_address":`, r.RemoteAddress, maxID)
	b = appendFreeMember(b, `,"user_agent":`, r.UserAgent, maxUserAgent)
	b = appendFreeMember(b, `,"request_id":`, r.ID, maxID)
	return enclose(b, start, '{', '}')
}

// enclose makes an object or list of the members after start, each of which
// begins with a comma: the first comma becomes the opening bracket.
func enclose(b []byte, start int, open, end byte) []byte {
	if len(b) == start {
		return append(b, open, end)
	}
	b[start] = open
	return append(b, end)
}

func asError(err error) (*iam.Error, bool) {
	var e *iam.Error
	ok := errors.As(err, &e)
	return e, ok
}
