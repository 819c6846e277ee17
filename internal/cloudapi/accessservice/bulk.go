package accessservice

import (
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// maxQuestions is the most that one call asks [API fact: ActionMatrix, product].
const maxQuestions = 1000

// place is where a question stands in its request.
type place struct {
	form             form
	path, permission int // indexes
}

type form int

const (
	single form = iota // AuthorizeRequest
	action             // an item of actions
	cell               // of action_matrix
	s3                 // S3AuthorizeRequest
)

func (p place) pathField() string {
	switch p.form {
	case action:
		return fmt.Sprintf("actions.items[%d].resource_path", p.path)
	case cell:
		return fmt.Sprintf("action_matrix.resource_paths[%d].path", p.path)
	}
	return "resource_path"
}

func (p place) permissionField() string {
	switch p.form {
	case action:
		return fmt.Sprintf("actions.items[%d].permission", p.permission)
	case cell:
		return fmt.Sprintf("action_matrix.permissions[%d]", p.permission)
	case s3:
		return "action"
	}
	return "permission"
}

// filter is result_filter.
type filter int32

// The numbers of ResultFilter.
const (
	everything  filter = 0
	firstFailed filter = 1
	allFailed   filter = 2
)

// shows tells whether a verdict is in the answer.
func (f filter) shows(v *verdict) bool { return f == everything || v.denied != nil }

// columns is result_mask: the fields of a result that are wanted.
type columns struct{ permission, path, denied bool }

func columnsOf(mask *fieldmaskpb.FieldMask) (columns, error) {
	if len(mask.GetPaths()) == 0 {
		return columns{true, true, true}, nil
	}
	var c columns
	for _, p := range mask.GetPaths() {
		switch p {
		case "permission":
			c.permission = true
		case "resource_path":
			c.path = true
		case "permission_denied_error":
			c.denied = true
		default:
			return c, iam.InvalidField("result_mask", "a result has the fields permission, resource_path and permission_denied_error alone")
		}
	}
	return c, nil
}

// Messages that both packages have, by what is read of them.
type (
	refMessage interface {
		GetId() string
		GetType() string
	}
	pathMessage[R refMessage] interface{ GetPath() []R }
	itemMessage[R refMessage] interface {
		GetResourcePath() []R
		GetPermission() string
	}
)

func refsOf[R refMessage](given []R) []resource.Ref {
	out := make([]resource.Ref, len(given))
	for i, r := range given {
		out[i] = resource.Ref{Kind: resource.Kind(r.GetType()), ID: r.GetId()}
	}
	return out
}

func questionsOf[R refMessage, I itemMessage[R]](items []I) []question {
	out := make([]question, len(items))
	for i, item := range items {
		out[i] = question{permission: iam.Permission(item.GetPermission()), path: refsOf(item.GetResourcePath()),
			at: place{action, i, i}}
	}
	return out
}

// cellsOf asks for every permission on every path, path by path.
func cellsOf[R refMessage, P pathMessage[R]](paths []P, permissions []string) ([]question, error) {
	if n := len(paths) * len(permissions); n > maxQuestions {
		return nil, iam.InvalidField("action_matrix", "%d permissions on %d resources are %d questions; at most %d are allowed",
			len(permissions), len(paths), n, maxQuestions)
	}
	out := make([]question, 0, len(paths)*len(permissions))
	for i, p := range paths {
		path := refsOf(p.GetPath())
		for j, what := range permissions {
			out = append(out, question{permission: iam.Permission(what), path: path, at: place{cell, i, j}})
		}
	}
	return out, nil
}

// failure is an error as an answer holds it.
func failure(call *gate.Call, err error) (text string, details []*anypb.Any) {
	s := gate.Status(err, call.RequestID)
	return s.GetMessage(), s.GetDetails()
}
