package metadata

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata/source"
)

const (
	ec2           = "ec2"
	sessionPath   = "/latest/api/token"
	sessionHeader = "X-Aws-Ec2-Metadata-Token"
	lifeHeader    = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	longestLife   = 21600 // seconds [API fact: AWS, instance metadata]
)

// ec2Versions are first segments of EC2's paths: the second is what cloud-init
// asks for.
var ec2Versions = []string{"latest", "2009-04-04"}

var errExpired = errors.New("the source gave what has expired")

// ec2 answers in EC2's manner [API fact: metadata, EC2 flavour].
func (d *Door) ec2(r *request, version string) *answer {
	if r.URL.Path == sessionPath {
		return d.newSession(r).of(ec2)
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"+version), "/")
	if rest == "user-data" || rest == "user-data/" {
		// Clients of Google's manner find user data here too [API fact].
		if d.options.GCEEndpoint == Enabled && only(r.Header, flavourName) == flavourValue {
			return d.userData().of(google).header(flavourName, flavourValue)
		}
	}
	second, refused := d.ec2Session(r)
	if refused != nil {
		return refused.of(ec2)
	}
	if rest == "user-data" || rest == "user-data/" {
		return d.userData().of(ec2)
	}
	return d.ec2Look(r, rest, second).of(ec2)
}

// ec2Session tells whether the request is of IMDSv2, or why it is refused. A
// request with a session token is never taken for one without.
func (d *Door) ec2Session(r *request) (second bool, refused *answer) {
	_, given := r.Header[sessionHeader]
	switch {
	case given && d.options.AWSv2Endpoint != Enabled:
		return false, d.disabled("Metadata service is disabled for")
	case given && d.sessions.good(only(r.Header, sessionHeader), r.client):
		return true, nil
	case given:
		return false, plain(http.StatusUnauthorized, "bad_session", "The session token is not valid: ask for one by PUT "+sessionPath)
	case d.options.AWSv1Endpoint == Enabled:
		return false, nil
	case d.options.AWSv2Endpoint == Enabled:
		return false, plain(http.StatusUnauthorized, "no_session", "A session token is needed: ask for one by PUT "+sessionPath)
	}
	return false, d.disabled("Metadata service is disabled for")
}

// newSession gives a session token that travels no further than HopLimit.
func (d *Door) newSession(r *request) *answer {
	if d.options.AWSv2Endpoint != Enabled {
		return d.disabled("Metadata service is disabled for")
	}
	given := only(r.Header, lifeHeader)
	life, err := strconv.ParseUint(given, 10, 32)
	if err != nil || life < 1 || life > longestLife || given[0] == '0' {
		return plain(http.StatusBadRequest, "bad_request", lifeHeader+" must be a number of seconds from 1 to 21600")
	}
	if d.c.HopLimit > 0 {
		if err := limitHops(r.Context(), d.c.HopLimit); err != nil {
			d.log.failed(r.Request, d.c.Name, err)
			return plain(http.StatusInternalServerError, "internal", "The answer cannot be kept on this machine")
		}
	}
	token := d.sessions.make(r.client, time.Duration(life)*time.Second)
	return text(token.Reveal()).header(lifeHeader, given)
}

func (d *Door) userData() *answer {
	data := d.instance.Load().UserData
	if len(data) == 0 {
		return notFound()
	}
	a := text(string(data))
	a.kind = "application/octet-stream"
	return a.tagged()
}

// ec2Look answers with what there is. Directories are listed with and without a
// slash, and lines end between entries alone, as EC2's do.
func (d *Door) ec2Look(r *request, rest string, second bool) *answer {
	var account source.Account
	if strings.HasPrefix(rest, "meta-data/iam") {
		var failed *answer
		if account, failed = d.account(r); failed != nil {
			return failed
		}
	}
	root := d.ec2Tree(r, account, second)
	n, slash := root.find(rest)
	switch {
	case n == nil, !n.isDir && slash:
		return notFound()
	case n.made != nil:
		return n.made()
	case n.isDir:
		return text(strings.Join(n.names(), "\n")).tagged()
	}
	return plainValue(n.value).tagged()
}

func (d *Door) ec2Tree(r *request, account source.Account, second bool) *node {
	i := d.instance.Load()
	var credentials *node
	if account != nil {
		credentials = dir("iam", dir("security-credentials", &node{name: "default", made: func() *answer {
			return d.ec2Credentials(r, account, second)
		}}))
	}
	var userData *node
	if len(i.UserData) > 0 {
		userData = &node{name: "user-data", value: ""}
	}
	var document *node
	if doc := i.document(); doc != nil {
		document = &node{name: "document", value: doc}
	}
	var network *node
	if i.MAC != "" {
		network = dir("network", dir("interfaces", dir("macs", dir(i.MAC, value("mac", i.MAC),
			value("local-ipv4s", i.LocalIPv4), value("local-hostname", i.Hostname), value("public-ipv4s", i.PublicIPv4)))))
	}
	return dir("", userData,
		some("dynamic", some("instance-identity", document)),
		some("vendor", some("instance-identity", document), value("cloud-id", i.CloudID), value("folder-id", i.FolderID)),
		dir("meta-data", credentials, network,
			value("hostname", i.Hostname), value("instance-id", i.ID), value("local-hostname", i.Hostname),
			value("local-ipv4", i.LocalIPv4), value("mac", i.MAC), value("public-ipv4", i.PublicIPv4),
			some("placement", value("availability-zone", i.Zone), value("region", i.region()))))
}

// credentialsBody is what AWS's SDKs and geesefs read; IMDSv1 has only the IAM
// token, which is no key, and so names none.
type credentialsBody struct {
	Code            string
	LastUpdated     string
	Type            string
	AccessKeyID     string `json:"AccessKeyId,omitempty"`
	SecretAccessKey string `json:",omitempty"`
	Token           string
	Expiration      string
}

// ec2Credentials is the account's IAM token in IMDSv1, an ephemeral access key
// in IMDSv2 [API fact: the options' comments].
func (d *Door) ec2Credentials(r *request, account source.Account, second bool) *answer {
	allowed := d.options.AWSv1Token
	if second {
		allowed = d.options.AWSv2Token
	}
	if allowed != Enabled {
		return d.tokenDisabled()
	}
	if second {
		key, err := account.AccessKey(r.Context())
		if err != nil {
			return d.sourceFailed(r, err)
		}
		return d.ec2Key(r, key)
	}
	t, err := account.Token(r.Context())
	if err != nil {
		return d.sourceFailed(r, err)
	}
	if !t.ExpiresAt.After(d.c.Now()) || t.Text.Reveal() == "" {
		return d.sourceFailed(r, errExpired)
	}
	a := asJSON(credentialsBody{Code: "Success", LastUpdated: timeText(t.ReceivedAt), Type: "IAM",
		Token: t.Text.Reveal(), Expiration: timeText(t.ExpiresAt)})
	a.tag = d.sessions.tag(t.Text.Reveal())
	return a
}

func (d *Door) ec2Key(r *request, key iamclient.AccessKey) *answer {
	if !key.ExpiresAt.After(d.c.Now()) || key.ID == "" {
		return d.sourceFailed(r, errExpired)
	}
	a := asJSON(credentialsBody{Code: "Success", LastUpdated: timeText(key.ReceivedAt), Type: "AWS-HMAC",
		AccessKeyID: key.ID, SecretAccessKey: key.Secret.Reveal(), Token: key.SessionToken.Reveal(), Expiration: timeText(key.ExpiresAt)})
	a.tag = d.sessions.tag(key.SessionToken.Reveal())
	return a
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }
