package source

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

const (
	upstreamPath   = "/computeMetadata/v1/instance/service-accounts/default/token" // [API fact: metadata, Google flavour]
	upstreamDial   = time.Second                                                   // [client fact: the SDKs']
	upstreamLimit  = 5 * time.Second
	upstreamAnswer = 64 << 10
)

// Upstream takes tokens from another metadata address, as a virtual machine's
// programs do.
type Upstream struct {
	address string
	http    *http.Client
	now     func() time.Time
}

// NewUpstream fails with INVALID_ARGUMENT for an address that is not host:port.
// Now is this machine's clock; nil: time.Now.
func NewUpstream(address string, now func() time.Time) (*Upstream, error) {
	host, port, err := net.SplitHostPort(address)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || perr != nil || n == 0 {
		return nil, iam.InvalidField("address", "%q is not host:port", address)
	}
	if now == nil {
		now = time.Now
	}
	return &Upstream{address: address, now: now, http: &http.Client{
		// No proxy stands before a link-local address, and a redirect from there
		// leads nowhere that this program should go.
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: upstreamDial}).DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// ServiceAccountID is not told by the address.
func (u *Upstream) ServiceAccountID() string { return "" }

// Make asks for a token, which may be the one that was given before. It fails
// with ErrNoAccount when the address has none, otherwise with UNAVAILABLE.
func (u *Upstream) Make(ctx context.Context) (iamclient.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, upstreamLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+u.address+upstreamPath, nil)
	if err != nil {
		return iamclient.Token{}, iam.Wrap(err, iam.InvalidArgument, "the metadata address is no address")
	}
	r.Header.Set("Metadata-Flavor", "Google")
	answer, err := u.http.Do(r)
	if err != nil {
		return iamclient.Token{}, iam.Wrap(err, iam.Unavailable, "the metadata address %s does not answer", u.address)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return iamclient.Token{}, iam.Wrap(ErrNoAccount, iam.NotFound, "the metadata address %s has no account for this machine", u.address)
	default:
		return iamclient.Token{}, iam.Errorf(iam.Unavailable, "the metadata address %s answers %d", u.address, answer.StatusCode)
	}
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, upstreamAnswer)).Decode(&got); err != nil { // the token may be in its text
		return iamclient.Token{}, iam.Errorf(iam.Unavailable, "the metadata address %s answers with no token", u.address)
	}
	return iamclient.NewToken(got.AccessToken, got.ExpiresIn, u.now())
}
