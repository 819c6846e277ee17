package metadata

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/metadata/source"
)

var settingName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`) })

// checking gathers what is wrong.
type checking struct {
	*Settings
	accounts map[string]bool
	problems []string
}

func (c *checking) bad(where, format string, args ...any) {
	c.problems = append(c.problems, where+": "+fmt.Sprintf(format, args...))
}

// Check fills in the defaults, reads the files of user data, and says everything
// that is wrong as one *SettingsError.
func (s *Settings) Check() error {
	c := &checking{Settings: s, accounts: map[string]bool{}}
	for i := range s.Accounts {
		c.account(&s.Accounts[i])
	}
	if s.Plaintext && s.CAFile != "" {
		c.bad("plaintext", "there is no TLS with plaintext, so ca-file means nothing")
	}
	if len(s.Listeners) == 0 {
		s.Listeners = []ListenerSettings{{}}
	}
	if l := &s.Listeners[0]; len(s.Listeners) == 1 && l.Account == "" && !l.apart() && len(s.Accounts) == 1 {
		l.Account = s.Accounts[0].Name
	}
	names := map[string]bool{}
	for i := range s.Listeners {
		l := &s.Listeners[i]
		if l.Listen == "" {
			l.Listen = DefaultListen
		}
		if l.Name == "" {
			if l.Name = "default"; len(s.Listeners) > 1 {
				l.Name = "listener" + strconv.Itoa(i+1)
			}
		}
		if names[l.Name] {
			c.bad("listeners", "two are named %q", l.Name)
		}
		names[l.Name] = true
		c.listener(l)
	}
	c.distinct()
	c.interfaces("trusted-interfaces", s.TrustedInterfaces)
	if len(c.problems) > 0 {
		return &SettingsError{c.problems}
	}
	return nil
}

func (c *checking) account(a *AccountSettings) {
	where := fmt.Sprintf("accounts.%s", a.Name)
	if !settingName().MatchString(a.Name) || a.Name == NoAccount {
		c.bad(where, "is no name of an account: up to 63 lower-case letters, digits, dots, dashes and underscores, and not %q", NoAccount)
	}
	c.accounts[a.Name] = true
	given := 0
	for _, v := range []string{a.KeyFile, a.TokenFile, a.Upstream} {
		if v != "" {
			given++
		}
	}
	if given != 1 {
		c.bad(where, "exactly one of service-account-key-file, token-file and metadata must be given")
	}
	if (a.KeyFile != "" || a.Impersonate != "") && c.Endpoint == "" {
		c.bad(where, "needs endpoint, IAM's host:port")
	}
	if a.TokenFile != "" && c.ExchangeURL == "" {
		c.bad(where, "needs exchange-url, IAM's public address")
	}
	if _, ok := source.SubjectType(a.TokenType); !ok {
		c.bad(where, "token-type is id_token, jwt or access_token")
	}
	if a.TokenType != "" && a.TokenFile == "" {
		c.bad(where, "token-type goes with token-file")
	}
	if a.ServiceAccountID != "" && a.TokenFile == "" {
		c.bad(where, "service-account-id goes with token-file; the others tell it themselves")
	}
}

func (c *checking) listener(l *ListenerSettings) {
	where := "listeners." + l.Name
	if !settingName().MatchString(l.Name) {
		c.bad(where, "is no name of a listener: up to 63 lower-case letters, digits, dots, dashes and underscores")
	}
	c.address(where, l)
	c.interfaces(where+".interfaces", l.Interfaces)
	c.whose(where, l)
	if l.HopLimit == 0 {
		l.HopLimit = 1
	}
	if l.UserDataFile != "" {
		data, err := readBounded(l.UserDataFile, LongestUserData)
		if err != nil {
			c.bad(where+".instance.user-data-file", "%v", err)
		}
		l.Instance.UserData = data
	}
	// The rest is the door's to say.
	_, err := New(Config{Instance: l.Instance, Hosts: l.Hosts, HopLimit: l.HopLimit, MaxWaiters: l.MaxWaiters})
	if err != nil {
		c.bad(where, "%v", spoken(err))
	}
}

// apart tells whether the listener's clients are told apart.
func (l *ListenerSettings) apart() bool {
	return len(l.ByAddress) > 0 || len(l.ByPod) > 0 || l.Annotated.Account != ""
}

func (c *checking) whose(where string, l *ListenerSettings) {
	byPod := len(l.ByPod) > 0 || l.Annotated.Account != ""
	given := 0
	for _, is := range []bool{l.Account != "", len(l.ByAddress) > 0, byPod} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		c.bad(where, "account, accounts-by-address and accounts-by-pod exclude each other")
	case given == 0:
		c.bad(where, "must say whose tokens it gives: account (which may be %q), accounts-by-address or accounts-by-pod", NoAccount)
	case l.Account != "":
		c.known(where+".account", l.Account)
	default:
		c.trusted(where, l)
	}
	if len(l.ByAddress) > 0 {
		c.byAddress(where, l)
	}
	if byPod {
		c.byPod(where, l)
	} else if len(l.Annotated.Namespaces) > 0 {
		c.bad(where+".annotated-pods", "account must be given")
	}
}

// byPod demands a cluster to ask, and that annotations count in namespaces alone
// that were named.
func (c *checking) byPod(where string, l *ListenerSettings) {
	if c.Kubernetes.Node == "" {
		c.bad("kubernetes.node", "the name of this node must be given: in the file or by --node")
	}
	if c.Kubernetes.Server == "" && c.Kubernetes.CAFile+c.Kubernetes.TokenFile != "" {
		c.bad("kubernetes.server", "ca-file and token-file go with it")
	}
	for _, r := range l.ByPod {
		c.known(fmt.Sprintf("%s.accounts-by-pod.%s/%s", where, r.Namespace, r.ServiceAccount), r.Account)
	}
	if l.Annotated.Account == "" {
		return
	}
	if l.Annotated.Account == NoAccount {
		c.bad(where+".annotated-pods.account", "must be an account that may act for others")
	}
	c.known(where+".annotated-pods.account", l.Annotated.Account)
	if c.Endpoint == "" {
		c.bad(where+".annotated-pods", "needs endpoint, IAM's host:port")
	}
	if len(l.Annotated.Namespaces) == 0 || slices.ContainsFunc(l.Annotated.Namespaces, func(n string) bool { return !kubernetesName(n) }) {
		c.bad(where+".annotated-pods.namespaces", "must be names of namespaces: whoever may annotate service accounts there chooses their tokens")
	}
}

func (c *checking) known(where, account string) {
	if account != NoAccount && !c.accounts[account] {
		c.bad(where, "there is no account %q", account)
	}
}

// address refuses addresses that others than neighbours may reach, unless the
// operator says by which interfaces.
func (c *checking) address(where string, l *ListenerSettings) {
	host, port, err := net.SplitHostPort(l.Listen)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil {
		c.bad(where+".listen", "%q is not address:port", l.Listen)
		return
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	a, err := netip.ParseAddr(host)
	if err != nil && host != "" {
		c.bad(where+".listen", "%q must name an address, not a host: names lead to other places some day", l.Listen)
		return
	}
	near := host != "" && (a.Unmap().IsLoopback() || a.Unmap().IsLinkLocalUnicast())
	if !near && len(l.Interfaces) == 0 {
		c.bad(where+".listen", "%s may be reached from other machines, and whoever reaches it gets tokens: use a loopback or link-local address, or name the interfaces from which connections are taken", l.Listen)
	}
	l.Listen = net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

// interfaces refuses what names no interface, such as a variable that was not
// set: it would stand for all of them.
func (c *checking) interfaces(where string, names []string) {
	for i, name := range names {
		if name == "" {
			c.bad(where, "there is an interface without a name")
		} else if slices.Contains(names[:i], name) {
			c.bad(where, "interface %q is given twice", name)
		}
	}
}

// distinct finds listeners that would have the same connections.
func (c *checking) distinct() {
	for i := range c.Listeners {
		l := &c.Listeners[i]
		for j := range i {
			other := &c.Listeners[j]
			if !sameAddress(l.Listen, other.Listen) {
				continue
			}
			if len(l.Interfaces) == 0 && len(other.Interfaces) == 0 {
				c.bad("listeners."+l.Name, "%s has %s already", other.Name, other.Listen)
			}
			l.Shared = l.Shared || len(l.Interfaces) == 0
			other.Shared = other.Shared || len(other.Interfaces) == 0
			for _, name := range l.Interfaces {
				if slices.Contains(other.Interfaces, name) {
					c.bad("listeners."+l.Name, "%s has %s at interface %s already", other.Name, other.Listen, name)
				}
			}
		}
	}
}

// sameAddress tells whether connections to one address may be to the other.
func sameAddress(a, b string) bool {
	one, port, _ := net.SplitHostPort(a)
	two, same, _ := net.SplitHostPort(b)
	if port != same || port == "0" {
		return false
	}
	any := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host == "" || err == nil && ip.IsUnspecified()
	}
	return one == two || any(one) || any(two)
}

// trusted demands interfaces that the operator trusts: elsewhere a client may
// speak under any address.
func (c *checking) trusted(where string, l *ListenerSettings) {
	if len(l.Interfaces) == 0 {
		c.bad(where, "telling clients apart needs interfaces: an address proves nothing elsewhere")
	}
	for _, name := range l.Interfaces {
		if !slices.Contains(c.TrustedInterfaces, name) {
			c.bad(where, "telling clients apart on interface %q needs it in trusted-interfaces: say that nobody there can speak under an address of someone else", name)
		}
	}
}

func (c *checking) byAddress(where string, l *ListenerSettings) {
	for _, r := range l.ByAddress {
		if len(l.Interfaces) > 1 && r.From.Addr().IsLinkLocalUnicast() {
			c.bad(fmt.Sprintf("%s.accounts-by-address.%s", where, r.From), "is another client on each interface: give each a listener of its own")
		}
		c.known(fmt.Sprintf("%s.accounts-by-address.%s", where, r.From), r.Account)
	}
	routes := make([]Route, len(l.ByAddress))
	for i, r := range l.ByAddress {
		routes[i].From = r.From
	}
	if _, err := ByAddress(routes); err != nil {
		c.bad(where+".accounts-by-address", "%v", spoken(err))
	}
}

// spoken is an error's text as people read it, without its kind.
func spoken(err error) error {
	if e, ok := errors.AsType[*iam.Error](err); ok {
		return errors.New(e.Message)
	}
	return err
}
