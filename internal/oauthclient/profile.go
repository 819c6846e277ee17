// Package oauthclient owns what an OAuth client may be: the profiles, what each
// lets its owner choose, and which redirect URIs stand for which. It knows no
// rows and no wire.
package oauthclient

import (
	"slices"
	"strconv"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Ids of profiles. A client keeps its own for life [API fact: OIDC applications].
const (
	Web    = "web"    // a server, which can keep a secret
	SPA    = "spa"    // a page in a browser
	Native = "native" // a program on somebody's device
)

// Ways for a client to prove itself at the token endpoint, by their names in
// RFC 7591, section 2.
const (
	SecretBasic = "client_secret_basic"
	SecretPost  = "client_secret_post"
	NoSecret    = "none"
)

// Profile is what clients of a kind may choose.
type Profile struct {
	ID             string
	Methods        []string // ways to prove itself that may be chosen
	DefaultMethods []string
	PKCEFixed      bool // PKCERequired cannot differ from PKCEDefault
	PKCEDefault    bool
}

var profiles = [...]Profile{
	{ID: Web, Methods: []string{SecretBasic, SecretPost}, DefaultMethods: []string{SecretBasic, SecretPost}, PKCEDefault: true},
	{ID: SPA, Methods: []string{NoSecret}, DefaultMethods: []string{NoSecret}, PKCEFixed: true, PKCEDefault: true},
	{ID: Native, Methods: []string{NoSecret}, DefaultMethods: []string{NoSecret}, PKCEFixed: true, PKCEDefault: true},
}

// Profiles lists all profiles, Web first. The caller changes nothing in them.
func Profiles() []Profile { return profiles[:] }

// ProfileOf finds a profile by id. It fails with INVALID_ARGUMENT of profile_id.
func ProfileOf(id string) (Profile, error) {
	for _, p := range profiles {
		if p.ID == id {
			return p, nil
		}
	}
	return Profile{}, iam.InvalidField("profile_id", "there is no such profile; the profiles are %s, %s and %s", Web, SPA, Native)
}

// HoldsSecrets tells whether clients of this profile may have secrets.
func (p Profile) HoldsSecrets() bool { return !slices.Contains(p.Methods, NoSecret) }

// Check says what is wrong with a client of this profile: INVALID_ARGUMENT that
// names the field. It does not look at what the API's descriptors demand.
func (p Profile) Check(c *iam.OAuthClient) error {
	for _, list := range []struct {
		field  string
		values []string
		wrong  func(string) string
	}{
		{"redirect_uris", c.RedirectURIs, p.wrongURI},
		{"post_logout_redirect_uris", c.PostLogoutRedirectURIs, p.wrongURI},
		{"scopes", c.Scopes, nil},
		{"authentication_methods", c.AuthenticationMethods, p.wrongMethod},
	} {
		if err := checkList(list.field, list.values, list.wrong); err != nil {
			return err
		}
	}
	if p.PKCEFixed && c.PKCERequired != p.PKCEDefault {
		return iam.InvalidField("pkce_required", "clients of the profile %s cannot do without PKCE", p.ID)
	}
	return nil
}

func (p Profile) wrongMethod(method string) string {
	if slices.Contains(p.Methods, method) {
		return ""
	}
	return "clients of the profile " + p.ID + " prove themselves by " + strings.Join(p.Methods, " or ")
}

func (p Profile) wrongURI(uri string) string { return WrongURI(p.ID, uri) }

// checkList refuses a value that is wrong, and one that stands twice. The text
// of neither is repeated: it may be anything.
func checkList(field string, values []string, wrong func(string) string) error {
	seen := make(map[string]int, len(values))
	for i, v := range values {
		if wrong != nil {
			if why := wrong(v); why != "" {
				return iam.InvalidField(at(field, i), "%s", why)
			}
		}
		if first, twice := seen[v]; twice {
			return iam.InvalidField(at(field, i), "is the same as %s", at(field, first))
		}
		seen[v] = i
	}
	return nil
}

func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
