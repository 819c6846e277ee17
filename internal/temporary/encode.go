package temporary

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

const version = 1 // first byte of the payload

// Numbers of the payload's fields: each is the number, the length as a varint,
// the value, ascending and at most once. A reader refuses what it does not
// know below firstIgnorable and skips what it does not know from there on.
const (
	fieldKeyID        = 1 // the first, so that it can be found
	fieldID           = 2
	fieldStaticKey    = 3 // AccessKeyID of a static key's child
	fieldEphemeralKey = 4 // AccessKeyID of an ephemeral key
	fieldIssuedAt     = 5
	fieldLife         = 6 // milliseconds
	fieldPosition     = 7
	fieldSubjectType  = 8
	fieldSubjectID    = 9
	fieldOrganization = 10
	fieldCloud        = 11
	fieldFolder       = 12
	fieldDependsOn    = 13
	fieldName         = 14
	fieldPolicy       = 15

	firstIgnorable = 128
	fieldPadding   = 255
)

const (
	maxID     = token.MaxID
	maxUserID = token.MaxUserID
)

// appendPayload writes the one spelling of a session. others are its
// dependencies without the session itself, ascending and distinct; ignorable is
// fields this version does not know, as they were read.
func appendPayload(b []byte, s *Session, keyID string, others []token.Dependency, ignorable string) []byte {
	b = append(b, version)
	b = appendID(b, fieldKeyID, keyID)
	b = appendID(b, fieldID, s.ID)
	if s.Ephemeral {
		b = appendID(b, fieldEphemeralKey, s.AccessKeyID)
	} else {
		b = appendID(b, fieldStaticKey, s.AccessKeyID)
	}
	issued := s.IssuedAt.UnixMilli()
	b = appendNumber(b, fieldIssuedAt, uint64(issued))
	b = appendNumber(b, fieldLife, uint64(s.ExpiresAt.UnixMilli()-issued))
	b = appendNumber(b, fieldPosition, uint64(s.Position))
	b = append(b, fieldSubjectType, 1, byte(slices.Index(subjectTypes[:], s.Subject.Type)+1))
	b = appendID(b, fieldSubjectID, string(s.Subject.ID))
	b = appendID(b, fieldOrganization, s.OrganizationID)
	b = appendID(b, fieldCloud, s.CloudID)
	b = appendID(b, fieldFolder, s.FolderID)
	b = appendDependencies(b, s, others)
	b = appendText(b, fieldName, s.Name)
	b = appendText(b, fieldPolicy, s.Policy)
	b = append(b, ignorable...)
	if n := len(b); n < minPayload {
		zeros := paddingAfter(n)
		b = append(b, fieldPadding, byte(zeros))
		b = append(b, make([]byte, zeros)...)
	}
	return b
}

// paddingAfter is how many zeros the padding field holds when n bytes, fewer
// than minPayload, stand before it. Its own two bytes count.
func paddingAfter(n int) int { return max(0, minPayload-n-2) }

// appendText writes a field unless it is empty.
func appendText(b []byte, field byte, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, field)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendNumber(b []byte, field byte, n uint64) []byte {
	b = append(b, field, 0)
	at := len(b)
	b = binary.AppendUvarint(b, n)
	b[at-1] = byte(len(b) - at)
	return b
}

func appendID(b []byte, field byte, id string) []byte { return appendText(b, field, packID(id)) }

// appendDependencies writes pairs of a kind and an id with its length. The id
// of something that has a field of its own is left out.
func appendDependencies(b []byte, s *Session, others []token.Dependency) []byte {
	var list []byte
	for _, d := range others {
		id := packID(d.ID)
		if d.ID == s.own(d.Kind) {
			id = ""
		}
		list = append(list, byte(d.Kind), byte(len(id)))
		list = append(list, id...)
	}
	return appendText(b, fieldDependsOn, string(list))
}

// own is the id of a kind that stands in a field of its own, "" for none.
func (s *Session) own(kind token.Kind) string {
	switch kind {
	case token.KindSubject:
		return string(s.Subject.ID)
	case token.KindOrganization:
		return s.OrganizationID
	case token.KindCloud:
		return s.CloudID
	case token.KindFolder:
		return s.FolderID
	}
	return ""
}

// check refuses what Make must not make and returns the dependencies besides
// the session itself, in the order of the wire.
func check(s *Session) ([]token.Dependency, error) {
	if reason := s.flaw(); reason != "" {
		return nil, fmt.Errorf("%w: %s", ErrSession, reason)
	}
	self := token.Dependency{Kind: token.KindSession, ID: s.ID}
	var others []token.Dependency
	for _, d := range s.DependsOn {
		if d != self {
			others = append(others, d)
		}
	}
	slices.SortFunc(others, compareDependencies)
	switch {
	case len(s.DependsOn) > MaxDependencies:
		return nil, fmt.Errorf("%w: %d dependencies of %d", ErrSession, len(s.DependsOn), MaxDependencies)
	case len(others) != len(s.DependsOn)-1:
		return nil, fmt.Errorf("%w: DependsOn does not name the session itself once", ErrSession)
	case len(slices.Compact(slices.Clone(others))) != len(others):
		return nil, fmt.Errorf("%w: DependsOn names something twice", ErrSession)
	}
	for _, d := range others {
		if !legalDependency(d) {
			return nil, fmt.Errorf("%w: DependsOn has a %v that cannot be there", ErrSession, d.Kind)
		}
	}
	return others, nil
}

// flaw says what is wrong with a session besides its key and dependencies, or "".
func (s *Session) flaw() string {
	life := s.ExpiresAt.UnixMilli() - s.IssuedAt.UnixMilli()
	person := s.Subject.Type != iam.TypeServiceAccount
	limit := maxID
	if person {
		limit = maxUserID
	}
	switch {
	case !validID(s.ID, maxID) || !validID(s.AccessKeyID, maxID):
		return "an id is missing"
	case !slices.Contains(subjectTypes[:], s.Subject.Type) || !validID(string(s.Subject.ID), limit):
		return "its subject is none that a session can have"
	case s.OrganizationID != "" && !validID(s.OrganizationID, maxID),
		s.CloudID != "" && !validID(s.CloudID, maxID),
		s.FolderID != "" && !validID(s.FolderID, maxID):
		return "an id is wrong"
	case person && s.FolderID+s.CloudID != "":
		return "only a service account has a folder"
	case person && !s.Ephemeral:
		return "only a service account has static access keys"
	case s.IssuedAt.UnixMilli() <= 0 || s.ExpiresAt.UnixMilli() > maxMilli:
		return "a time is out of range"
	case life <= 0 || life > MaxLife.Milliseconds():
		return "its life is wrong"
	case len(s.Name) > MaxName || s.Name != "" && !validID(s.Name, MaxName):
		return "its name is wrong"
	case len(s.Policy) > MaxPolicy:
		return "its policy is too long"
	}
	return ""
}

// legalDependency tells whether a session may rest on something. A signing key
// is that of the IAM token which the session was made of; the session's own, and
// the installation, go without saying.
func legalDependency(d token.Dependency) bool {
	limit := maxID
	if d.Kind == token.KindSubject {
		limit = maxUserID
	}
	return d.Kind != 0 && d.Kind != token.KindInstallation && validID(d.ID, limit)
}

// compareDependencies orders by kind, then by the bytes of the id.
func compareDependencies(a, b token.Dependency) int {
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	return strings.Compare(a.ID, b.ID)
}

// maxMilli is the last millisecond of the year 9999, the end of RFC 3339.
const maxMilli = 253402300799999

func fromMilli(n uint64) time.Time { return time.UnixMilli(int64(n)).UTC() }
