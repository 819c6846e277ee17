package metadata

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/metadata/source"
)

const (
	google       = "google"
	flavourName  = "Metadata-Flavor"
	flavourValue = "Google"
	googleRoot   = "/computeMetadata/v1/"
)

// google answers in Google's manner [API fact: metadata, Google flavour].
func (d *Door) google(r *request) *answer {
	a := d.googleAnswer(r).of(google)
	if a.outcome != "disabled" {
		// Also beside a refusal: clients find out by it, without sending it, that
		// they are on such a machine.
		a.header(flavourName, flavourValue)
	}
	return a
}

func (d *Door) googleAnswer(r *request) *answer {
	if d.options.GCEEndpoint != Enabled {
		return d.disabled("Metadata service is disabled for")
	}
	if only(r.Header, flavourName) != flavourValue {
		return plain(http.StatusForbidden, "no_flavour", "Missing Metadata-Flavor:Google header")
	}
	q, refused := readQuery(r.URL.RawQuery)
	if refused != nil {
		return refused
	}
	return d.await(r, q, func() *answer { return d.googleLook(r, q) })
}

// googleLook answers with what there is now.
func (d *Door) googleLook(r *request, q query) *answer {
	if rest, ok := strings.CutPrefix(r.URL.Path, googleRoot); ok {
		tree, failed := d.googleTree(r, rest)
		if failed != nil {
			return failed
		}
		return q.render(r, tree, rest)
	}
	q.recursive = false // so that what is above the root is listed or redirected
	root := dir("", dir("computeMetadata", dir("v1")))
	return q.render(r, root, r.URL.Path[1:])
}

// googleTree is everything that there is. Accounts are asked for only when the
// path leads to them: a question about the zone waits for no token.
func (d *Door) googleTree(r *request, path string) (*node, *answer) {
	i := d.instance.Load()
	zone := ""
	if i.Zone != "" {
		zone = "projects/" + i.CloudID + "/zones/" + i.Zone
	}
	attributes := keys("attributes", i.Attributes)
	if len(i.UserData) > 0 && attributes.child("user-data") == nil {
		all := map[string]string{"user-data": string(i.UserData)}
		for k, v := range i.Attributes {
			all[k] = v
		}
		attributes = keys("attributes", all)
	}
	accounts := dir("service-accounts")
	if leadsToAccounts(path) {
		under, failed := d.googleAccounts(r)
		switch {
		case failed == nil:
			accounts.under = under
		case failed.status != http.StatusNotFound || strings.HasPrefix(path, accountsPath):
			return nil, failed
		}
	}
	vendor := some("vendor", value("cloud-id", i.CloudID), value("folder-id", i.FolderID), value("environment", i.region()), identityOf(i))
	if len(i.Labels) > 0 {
		if vendor == nil {
			vendor = dir("vendor")
		}
		vendor.under = append(vendor.under, keys("labels", i.Labels))
	}
	return dir("",
		dir("instance", attributes, accounts, vendor, interfacesOf(i), value("zone", zone), value("description", i.Description),
			value("id", i.ID), value("name", i.Name), value("hostname", i.Hostname)),
		some("project", value("project-id", i.CloudID)),
		some("yandex", value("folder-id", i.FolderID))), nil
}

const accountsPath = "instance/service-accounts/"

// leadsToAccounts tells whether the path is that of the accounts or a directory
// above them.
func leadsToAccounts(path string) bool {
	return strings.HasPrefix(path, accountsPath) || strings.HasPrefix(accountsPath, strings.TrimSuffix(path, "/")+"/") || path == ""
}

func identityOf(i *Instance) *node {
	doc := i.document()
	if doc == nil {
		return nil
	}
	return dir("identity", &node{name: "document", value: doc})
}

func interfacesOf(i *Instance) *node {
	var outside *node
	if i.PublicIPv4 != "" {
		outside = dir("access-configs", dir("0", value("external-ip", i.PublicIPv4), value("type", "ONE_TO_ONE_NAT")))
		outside.listed = true
	}
	first := some("0", value("ip", i.LocalIPv4), value("mac", i.MAC), outside)
	if first == nil {
		return nil
	}
	n := dir("network-interfaces", first)
	n.listed = true
	return n
}

// googleAccounts is what is below service-accounts: nothing without an account
// [API fact: "returns default/ or nothing"].
func (d *Door) googleAccounts(r *request) ([]*node, *answer) {
	account, failed := d.account(r)
	if failed != nil {
		if failed.outcome == "no_account" && strings.HasSuffix(r.URL.Path, "/service-accounts/") {
			return nil, nil
		}
		return nil, failed
	}
	id := account.ServiceAccountID()
	n := dir("default", value("email", id), &node{name: "aliases", value: []string{"default"}}, &node{name: "scopes", value: []string{}},
		&node{name: "token", made: func() *answer { return d.googleToken(r, account) }})
	under := []*node{n}
	if id != "" && id != n.name && strings.HasPrefix(r.URL.Path, googleRoot+accountsPath+id) {
		// Clients may ask for an account by what they take for its e-mail.
		under = append(under, &node{name: id, isDir: true, under: n.under})
	}
	return under, nil
}

// googleToken answers with a token and the seconds that are left of it.
func (d *Door) googleToken(r *request, account source.Account) *answer {
	if d.options.GCEToken != Enabled {
		return d.tokenDisabled()
	}
	t, err := account.Token(r.Context())
	if err != nil {
		return d.sourceFailed(r, err)
	}
	left := int64(t.ExpiresAt.Sub(d.c.Now()) / time.Second)
	if left <= 0 || t.Text.Reveal() == "" {
		return d.sourceFailed(r, errExpired)
	}
	a := asJSON(tokenBody{AccessToken: t.Text.Reveal(), ExpiresIn: left, TokenType: "Bearer"})
	// The tag is the token's, not that of the seconds that run.
	a.tag = d.sessions.tag(t.Text.Reveal())
	return a
}

type tokenBody struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
	TokenType   string `json:"token_type"`
}

// disabled is the answer for a manner that is switched off.
func (d *Door) disabled(what string) *answer {
	status := http.StatusBadRequest
	if d.c.Function {
		status = http.StatusNotFound
	}
	quoted, _ := json.Marshal(d.instance.Load().ID)
	a := text(what + " " + string(quoted))
	a.status, a.outcome = status, "disabled"
	return a.tagged()
}

// tokenDisabled has the text that clients know [API fact: metadata, errors].
func (d *Door) tokenDisabled() *answer {
	a := d.disabled("Token is disabled for")
	a.outcome = "token_disabled"
	return a
}
