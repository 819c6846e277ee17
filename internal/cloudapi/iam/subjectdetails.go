package iam

import (
	"context"
	"errors"
	"slices"
	"time"

	subjectpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

const (
	getSubjects  iam.Permission = "iam.subjects.get"
	listSubjects iam.Permission = "iam.subjects.list"
)

// SubjectRules are the rows of SubjectDetailsService.
var SubjectRules = gate.Rules("yandex.cloud.iam.v1.SubjectDetailsService",
	gate.Rule{Method: "Get", Why: "everyone sees himself; for others it asks for iam.subjects.get on the context or on the subject"},
	gate.Rule{Method: "List", Why: "asks for iam.subjects.list on the organization or folder that resource_context names"},
	gate.Rule{Method: "BatchGet", Why: "everyone sees himself; for others it asks for iam.subjects.get on the context or on the subject"},
)

// SubjectService is yandex.cloud.iam.v1.SubjectDetailsService.
type SubjectService struct {
	iampb.UnimplementedSubjectDetailsServiceServer
	DB    *store.DB
	Pages cloudapi.Pages
	Now   func() time.Time
}

// subjectContext is where subjects are looked at: a folder or an organization
// with what stands above it. The zero value is everywhere.
type subjectContext struct {
	path []resource.Ref
}

// organization is the one whose groups and memberships are shown; "" is all.
func (c subjectContext) organization() string {
	if len(c.path) == 0 {
		return ""
	}
	return c.path[len(c.path)-1].ID
}

// subjectScan is how many subjects a filter looks at in one call of List, and
// subjectBatch how many are read at once.
const (
	subjectScan  = 2_000
	subjectBatch = 250
)

// Get returns one subject.
func (s *SubjectService) Get(ctx context.Context, r *iampb.GetSubjectRequest) (*iampb.GetSubjectResponse, error) {
	mask, err := newSubjectMask(r.GetFieldMask())
	if err != nil {
		return nil, err
	}
	found, err := s.some(ctx, r.GetResourceContext(), []iam.SubjectID{iam.SubjectID(r.GetSubjectId())})
	if err != nil {
		return nil, err
	}
	return &iampb.GetSubjectResponse{Subject: mask.cut(found[0])}, nil
}

// BatchGet returns subjects in the order of their ids, without those that the
// filter drops. One that the caller may not see fails the call.
func (s *SubjectService) BatchGet(ctx context.Context, r *iampb.BatchGetSubjectsRequest) (*iampb.BatchGetSubjectsResponse, error) {
	mask, err := newSubjectMask(r.GetFieldMask())
	if err != nil {
		return nil, err
	}
	filter, err := newSubjectFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	ids := make([]iam.SubjectID, len(r.GetSubjectIds()))
	for i, id := range r.GetSubjectIds() {
		ids[i] = iam.SubjectID(id)
	}
	found, err := s.some(ctx, r.GetResourceContext(), ids)
	if err != nil {
		return nil, err
	}
	out := &iampb.BatchGetSubjectsResponse{}
	for _, subject := range found {
		if filter.exhausted() {
			return nil, errFilterCost
		}
		ok, err := filter.matches(ctx, subject)
		if err != nil {
			return nil, err
		}
		if ok {
			out.Subjects = append(out.Subjects, mask.cut(subject))
		}
	}
	return out, nil
}

// List pages through the subjects around an organization or folder; see
// store.ListSubjectsAround. With a filter a page may hold fewer than asked for,
// even none, and still not be the last: one call looks at so many subjects.
func (s *SubjectService) List(ctx context.Context, r *iampb.ListSubjectsRequest) (*iampb.ListSubjectsResponse, error) {
	in := r.GetResourceContext()
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: in.GetType() + "/" + in.GetId(), Filter: r.GetFilter(),
		Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	mask, err := newSubjectMask(r.GetFieldMask())
	if err != nil {
		return nil, err
	}
	kind, err := contextKind(in)
	if err != nil {
		return nil, err
	}
	if err := gate.Require(ctx, listSubjects, kind, in.GetId()); err != nil {
		return nil, err
	}
	filter, err := newSubjectFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	out := &iampb.ListSubjectsResponse{}
	last, more := iam.SubjectID(after), true
	for seen := 0; more && len(out.Subjects) < size && seen < subjectScan && !filter.exhausted(); {
		want := subjectBatch
		if filter == nil {
			want = min(want, size-len(out.Subjects))
		}
		var ids []iam.SubjectID
		var batch []*subjectpb.Subject
		if ids, batch, more, err = s.batch(ctx, in.GetId(), last, want); err != nil {
			return nil, err
		}
		for i, subject := range batch {
			seen, last = seen+1, ids[i]
			if subject == nil {
				continue
			}
			ok, err := filter.matches(ctx, subject)
			if err != nil {
				return nil, err
			}
			if ok {
				out.Subjects = append(out.Subjects, mask.cut(subject))
			}
			if len(out.Subjects) == size || filter.exhausted() {
				more = more || i < len(batch)-1
				break
			}
		}
	}
	if more {
		out.NextPageToken = s.Pages.Next(l, string(last))
	}
	return out, nil
}

// batch reads subjects around an organization or folder after a given one, and
// tells whether there are others. One of whom no more than the id is known is nil.
func (s *SubjectService) batch(ctx context.Context, id string, after iam.SubjectID, want int) (ids []iam.SubjectID, out []*subjectpb.Subject, more bool, err error) {
	var found map[iam.SubjectID]*store.SubjectDetails
	var path []resource.Ref
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		if path, err = store.Ancestors(tx, id); err != nil {
			return err
		}
		if ids, err = store.ListSubjectsAround(tx, path, after, want+1); err != nil {
			return err
		}
		if more = len(ids) > want; more {
			ids = ids[:want]
		}
		found, err = store.LoadSubjects(tx, ids, subjectContext{path}.organization())
		return err
	})
	out = make([]*subjectpb.Subject, len(ids))
	for i, id := range ids {
		if d := found[id]; d != nil {
			out[i] = s.show(ctx, subjectContext{path}, id, d)
		}
	}
	return ids, out, more, err
}

// some returns the subjects with the given ids, in their order, if the caller
// may see them all.
func (s *SubjectService) some(ctx context.Context, in *iampb.Resource, ids []iam.SubjectID) ([]*subjectpb.Subject, error) {
	where, err := s.where(ctx, in, ids)
	if err != nil {
		return nil, err
	}
	var found map[iam.SubjectID]*store.SubjectDetails
	around := map[iam.SubjectID]bool{}
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		if where.path != nil {
			if around, err = store.AreAround(tx, where.path, ids); err != nil {
				return err
			}
		}
		found, err = store.LoadSubjects(tx, ids, where.organization())
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]*subjectpb.Subject, len(ids))
	for i, id := range ids {
		may := where.path != nil && around[id]
		if where.path == nil {
			if may, err = maySee(ctx, id, found[id]); err != nil {
				return nil, err
			}
		}
		if found[id] == nil || !may {
			return nil, iam.Errorf(iam.NotFound, "Subject %s not found", id)
		}
		out[i] = s.show(ctx, where, id, found[id])
	}
	return out, nil
}

// where checks the context and the right to look at others there.
func (s *SubjectService) where(ctx context.Context, in *iampb.Resource, ids []iam.SubjectID) (c subjectContext, err error) {
	if in == nil {
		return c, nil
	}
	kind, err := contextKind(in)
	if err != nil {
		return c, err
	}
	self := gate.From(ctx).Caller().ID
	others := slices.ContainsFunc(ids, func(id iam.SubjectID) bool { return id != self })
	if others {
		if err := gate.Require(ctx, getSubjects, kind, in.GetId()); err != nil {
			return c, err
		}
	}
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		c.path, err = store.Ancestors(tx, in.GetId())
		return err
	})
	hidden := errors.Is(err, iam.NotFound)
	if err == nil && !others {
		knows, err := gate.Knows(ctx, c.organization())
		if err != nil {
			return c, err
		}
		hidden = !knows || c.path[0].Kind != kind
	}
	if hidden {
		return c, iam.Errorf(iam.NotFound, "%s %s not found", contextNames[kind], in.GetId())
	}
	return c, err
}

// maySee tells whether the caller may see a subject without a context: himself,
// and what is a resource on which he has the permission.
func maySee(ctx context.Context, id iam.SubjectID, d *store.SubjectDetails) (bool, error) {
	if d == nil || id == gate.From(ctx).Caller().ID {
		return true, nil
	}
	if d.User != nil {
		return false, nil
	}
	return gate.Allows(ctx, getSubjects, string(id))
}

var contextNames = map[resource.Kind]string{resource.Organization: "Organization", resource.Folder: "Folder"}

// contextKind reads the type of a resource_context [API fact: "can only be an
// organization or a folder"].
func contextKind(r *iampb.Resource) (resource.Kind, error) {
	kind := resource.Kind(r.GetType())
	if contextNames[kind] == "" {
		return "", iam.InvalidField("resource_context.type", "must be %s or %s", resource.Organization, resource.Folder)
	}
	return kind, nil
}
