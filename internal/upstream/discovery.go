package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// document is what is needed of a provider's metadata (OpenID Connect Discovery 1.0
// section 3).
type document struct {
	authorization, token, keys, userinfo string
	secretInForm                         bool // the token endpoint takes no Basic
	saysIssuer                           bool // RFC 9207
	algorithms                           []string
}

// document is that of the provider. Endpoints of the config stand in for it.
func (p *provider) document(ctx context.Context) (*document, error) {
	if p.Issuer == "" {
		return &document{authorization: p.Endpoints.Authorization, token: p.Endpoints.Token, userinfo: p.Endpoints.Userinfo, secretInForm: true}, nil
	}
	d, err := p.documents.get(ctx, p.now, false, func(ctx context.Context) (*document, error) {
		m, err := p.web.get(ctx, strings.TrimSuffix(p.Issuer, "/")+"/.well-known/openid-configuration", "")
		if err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
		d, err := documentOf(m, p.Issuer)
		if err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
		return d, nil
	})
	if err != nil {
		return nil, away(err)
	}
	return d, nil
}

func documentOf(m members, issuer string) (*document, error) {
	if m.text("issuer") != issuer { // section 4.3: exactly
		return nil, errors.New("the document is another issuer's")
	}
	d := &document{
		authorization: m.text("authorization_endpoint"), token: m.text("token_endpoint"),
		keys: m.text("jwks_uri"), userinfo: m.text("userinfo_endpoint"), saysIssuer: m.yes("authorization_response_iss_parameter_supported"),
	}
	for name, address := range map[string]string{"authorization_endpoint": d.authorization, "token_endpoint": d.token, "jwks_uri": d.keys} {
		if err := checkEndpoint(issuer, address); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if d.userinfo != "" {
		if err := checkEndpoint(issuer, d.userinfo); err != nil {
			return nil, fmt.Errorf("userinfo_endpoint: %w", err)
		}
	}
	if ways := m.texts("token_endpoint_auth_methods_supported"); len(ways) > 0 && !slices.Contains(ways, "client_secret_basic") {
		d.secretInForm = slices.Contains(ways, "client_secret_post")
		if !d.secretInForm && !slices.Contains(ways, "none") {
			return nil, errors.New("the token endpoint takes neither client_secret_basic nor client_secret_post")
		}
	}
	if said := m.texts("id_token_signing_alg_values_supported"); len(said) > 0 {
		for _, a := range algorithms {
			if slices.Contains(said, a) {
				d.algorithms = append(d.algorithms, a)
			}
		}
		if len(d.algorithms) == 0 {
			return nil, errors.New("ID tokens are signed in no way that is taken here")
		}
	} else {
		d.algorithms = []string{"RS256"} // OpenID Connect Core 1.0 section 2
	}
	return d, nil
}

// checkEndpoint takes an address that an issuer tells. One that is not on this
// machine itself leads nobody to it, nor to what only its network's members reach:
// what listens there often trusts whoever comes.
func checkEndpoint(issuer, address string) error {
	if err := CheckAddress(address); err != nil {
		return err
	}
	from, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	to, err := url.Parse(address)
	switch {
	case err != nil:
		return err
	case to.Scheme != "https" && from.Scheme == "https":
		return errors.New("must be https, as the issuer is")
	case inside(to.Hostname()) && !inside(from.Hostname()) || linkLocal(to.Hostname()) && to.Hostname() != from.Hostname():
		return errors.New("leads to this machine or its link")
	}
	return nil
}

func inside(host string) bool {
	ip, err := netip.ParseAddr(host)
	return loopback(host) || err == nil && ip.IsUnspecified()
}

func linkLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLinkLocalUnicast()
}

const longestAddress = 1024

// CheckAddress takes addresses that providers may have: https, or http on
// loopback, with a host and without a name, a password or a fragment.
func CheckAddress(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || len(text) > longestAddress:
		return errors.New("is not an address such as https://id.example.com")
	case u.User != nil || u.Fragment != "" || strings.HasSuffix(text, "#"):
		return errors.New("must have no user and no fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("must be https unless its host is loopback")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }):
		return errors.New("has characters that no address has")
	}
	if port := u.Port(); port != "" {
		if _, err := net.LookupPort("tcp", port); err != nil {
			return errors.New("has no valid port")
		}
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
