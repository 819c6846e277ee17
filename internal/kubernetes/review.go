package kubernetes

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const (
	group      = "authentication.k8s.io/"
	kind       = "TokenReview"
	mostReview = 64 << 10 // bytes of a body: headers of an API server hold no longer token
)

// review is a TokenReview, as far as it is looked at and answered
// (authentication.k8s.io/v1, which v1beta1 spells alike).
type review struct {
	Version string  `json:"apiVersion"`
	Kind    string  `json:"kind"`
	Spec    *spec   `json:"spec,omitempty"` // of questions alone: a token is not sent back
	Status  *status `json:"status,omitempty"`
}

type spec struct {
	Token     string   `json:"token"`
	Audiences []string `json:"audiences"`
}

type status struct {
	Authenticated bool     `json:"authenticated"`
	User          *user    `json:"user,omitempty"`
	Audiences     []string `json:"audiences,omitempty"`
	Error         string   `json:"error,omitempty"`
}

type user struct {
	Name   string              `json:"username"`
	UID    string              `json:"uid"`
	Groups []string            `json:"groups"`
	Extra  map[string][]string `json:"extra,omitempty"`
}

// Keys of what a cluster's own audit log tells besides the name, so that it can
// be held beside ours.
const (
	extraToken         = "propusk/token-id"
	extraOrganizations = "propusk/organization-id"
)

// read reads a question. What it refuses is not the client's who showed the
// token, but the API server's.
func read(w http.ResponseWriter, r *http.Request) (*review, *failure) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "Token reviews are sent by POST")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, fail(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "A token review is application/json")
	}
	if len(r.Header.Values("Authorization")) > 1 {
		return nil, fail(http.StatusBadRequest, "BadRequest", "There is more than one Authorization header")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostReview))
	if err != nil {
		return nil, fail(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The token review is longer than %d bytes, or did not arrive whole", mostReview)
	}
	var asked review
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, fail(http.StatusBadRequest, "BadRequest", "The body is no JSON of a token review") // err may repeat the token
	}
	switch {
	case asked.Kind != kind || !slices.Contains([]string{group + "v1", group + "v1beta1"}, asked.Version):
		return nil, fail(http.StatusBadRequest, "BadRequest", "A %s of %sv1 or %sv1beta1 is expected", kind, group, group)
	case asked.Spec == nil:
		return nil, fail(http.StatusBadRequest, "BadRequest", "The token review has no spec")
	}
	if strings.IndexByte(asked.Spec.Token, 0) >= 0 { // no header holds such; it is a bad token, and no bad question
		asked.Spec.Token = ""
	}
	return &asked, nil
}

// answer is a review in the version of the question. Whoever would be taken for a
// part of the cluster itself is nobody.
func (asked *review) answer(m *propuskpb.ReviewTokenResponse) *review {
	out := &review{Version: asked.Version, Kind: kind, Status: &status{Error: m.GetError()}}
	switch {
	case !m.GetAuthenticated():
	case m.GetSubjectId() == "" || ofKubernetes(m.GetSubjectId()) || slices.ContainsFunc(m.GetGroups(), ofKubernetes):
		out.Status.Error = "The account's name, or a group's, is none that a cluster may be told"
	default:
		out.Status.Authenticated, out.Status.Audiences = true, m.GetAudiences()
		out.Status.User = &user{Name: m.GetSubjectId(), UID: m.GetSubjectId(), Groups: m.GetGroups(),
			Extra: map[string][]string{extraToken: {m.GetTokenId()}, extraOrganizations: m.GetOrganizationIds()}}
	}
	return out
}

// ofKubernetes tells whether a name is one of those that Kubernetes keeps for
// itself, of which system:masters is bound by no rule at all.
func ofKubernetes(name string) bool { return strings.HasPrefix(name, "system:") }
