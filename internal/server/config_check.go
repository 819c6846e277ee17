package server

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Check reports everything that is wrong with settings made in Go, as a
// *ConfigError. Load has called it already.
func (c *Config) Check(dev bool) error {
	if p := c.check(dev, func(name string) string { return name }); len(p) > 0 {
		return &ConfigError{Problems: p}
	}
	return nil
}

// check is one rule after another; at names a setting for the reader.
func (c *Config) check(dev bool, at func(string) string) []string {
	var problems []string
	bad := func(name, format string, args ...any) {
		problems = append(problems, at(name)+": "+fmt.Sprintf(format, args...))
	}
	if c.Data == "" {
		bad("data", "a folder must be named")
	}
	c.checkDatabase(bad)
	c.checkListeners(dev, bad)
	c.checkAccess(dev, bad)
	c.checkLeaks(bad)
	c.checkRegistries(bad)
	c.checkProviders(dev, bad)
	c.checkAddresses(bad)
	if _, err := ParseProxies(c.TrustedProxies); err != nil {
		bad("trusted-proxies", "%v", err)
	}
	if c.ClockSkew < 0 || c.ClockSkew > maxClockSkew {
		bad("clock-skew", "at most %s", formatDuration(maxClockSkew))
	}
	if c.RotateEvery < minRotateEvery {
		bad("rotate-every", "at least %s: verifiers must learn of a key before it signs", formatDuration(minRotateEvery))
	}
	if c.SessionLife < minSessionIdle || c.SessionLife > maxSessionLife {
		bad("session-life", "must be from %s to %s", formatDuration(minSessionIdle), formatDuration(maxSessionLife))
	} else if c.SessionIdle < minSessionIdle || c.SessionIdle > c.SessionLife {
		bad("session-idle", "must be from %s to session-life, which is %s", formatDuration(minSessionIdle), formatDuration(c.SessionLife))
	}
	if c.AuditTokens != AuditDurable && c.AuditTokens != AuditBuffered {
		bad("audit-tokens", "%q is neither %q nor %q", c.AuditTokens, AuditDurable, AuditBuffered)
	}
	if c.Quotas != "" && c.Quotas != QuotasDocumented && c.Quotas != QuotasOff {
		bad("quotas", "%q is neither %q nor %q", c.Quotas, QuotasDocumented, QuotasOff)
	}
	if c.LogFormat != LogText && c.LogFormat != LogJSON {
		bad("log-format", "%q is neither %q nor %q", c.LogFormat, LogText, LogJSON)
	}
	if slices.Contains(c.Audience, "") {
		bad("audience", "an empty audience")
	}
	c.checkMasterKey(bad)
	c.checkJoining(dev, bad)
	c.checkLimits(bad)
	return problems
}

func (c *Config) checkLimits(bad reporter) {
	for _, t := range []struct {
		name string
		d    time.Duration
	}{
		{"handshake-timeout", c.HandshakeTimeout}, {"read-timeout", c.ReadTimeout}, {"write-timeout", c.WriteTimeout},
		{"idle-timeout", c.IdleTimeout}, {"shutdown-timeout", c.ShutdownTimeout},
	} {
		if t.d < 0 || t.d > 24*time.Hour {
			bad(t.name, "must be between 1ns and 24h")
		}
	}
	for _, n := range []struct {
		name           string
		n, least, most Bytes
	}{
		{"max-header-bytes", c.MaxHeaderBytes, 4 << 10, 1 << 20},
		{"cache-bytes", c.CacheBytes, 1 << 20, 1 << 40},
	} {
		if n.n < n.least || n.n > n.most {
			bad(n.name, "must be between %s and %s", n.least, n.most)
		}
	}
	if c.MaxConnections < 1 {
		bad("max-connections", "must be above zero")
	}
	if c.MaxStreams < 1 || c.MaxStreams > 1<<20 {
		bad("max-streams", "must be between 1 and %d", 1<<20)
	}
}

const (
	maxClockSkew   = 5 * time.Minute
	minRotateEvery = time.Hour
	minSessionIdle = 15 * time.Minute
	maxSessionLife = 90 * 24 * time.Hour
)

type reporter func(name, format string, args ...any)

func (c *Config) checkListeners(dev bool, bad reporter) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls-cert", "tls-cert and tls-key go together")
	}
	if dev && c.TLSCert+c.TLSKey != "" {
		bad("tls-cert", "`dev` makes a certificate of its own; tls-names adds names to it")
	}
	encrypted := c.TLSCert != "" && c.TLSKey != "" && !dev // dev takes plaintext beside TLS
	public := []struct{ name, addr string }{{"http-listen", c.HTTPListen}, {"grpc-listen", c.GRPCListen}}
	for _, l := range public {
		if l.addr == Off && l.name != "http-listen" {
			continue
		}
		if err := checkHostPort(l.addr, true); err != nil {
			bad(l.name, "%v", err)
			continue
		}
		if isLoopback(l.addr) || encrypted || c.BehindProxy != "" {
			continue
		}
		if dev {
			bad(l.name, "%s is reachable from other machines, and `dev` speaks plaintext: use a loopback address, or name in behind-proxy what stands in front", l.addr)
		} else {
			bad(l.name, "%s is reachable from other machines and has no TLS: give tls-cert and tls-key, or name in behind-proxy the proxy that terminates TLS", l.addr)
		}
	}
	if c.DebugListen == Off {
		return
	}
	if err := checkHostPort(c.DebugListen, true); err != nil {
		bad("debug-listen", "%v", err)
	} else if c.PProf && !isLoopback(c.DebugListen) {
		bad("pprof", "needs debug-listen on loopback")
	}
}

var serviceID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`) })

func (c *Config) checkAddresses(bad reporter) {
	if c.PublicURL != "" {
		if err := checkPublicURL(c.PublicURL); err != nil {
			bad("public-url", "%v", err)
		}
	}
	if c.APIHost != "" {
		host := c.APIHost
		if !strings.Contains(host, ":") {
			host += ":443"
		}
		if err := checkHostPort(host, false); err != nil {
			bad("api-host", "%q is not a host name with an optional port", c.APIHost)
		}
	}
	for _, id := range sortedKeys(c.Endpoints) {
		if !serviceID().MatchString(id) {
			bad("endpoints", "%q is not a service id: lower-case letters, digits and dashes", id)
		}
		if err := checkHostPort(c.Endpoints[id], false); err != nil {
			bad("endpoints", "%s: %v", id, err)
		}
	}
	for _, name := range c.TLSNames {
		if _, err := netip.ParseAddr(name); err != nil && !validName(strings.TrimPrefix(name, "*.")) {
			bad("tls-names", "%q is neither a host name nor an address", name)
		}
	}
}

var envName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })

func (c *Config) checkMasterKey(bad reporter) {
	given := 0
	for _, s := range []string{c.MasterKey.File, c.MasterKey.Env, c.MasterKey.Command} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		bad("master-key", "file, env and command exclude each other")
	}
	if e := c.MasterKey.Env; e != "" && !envName().MatchString(e) {
		// Not repeated: whoever writes the key itself here should not find it in a log.
		bad("master-key-env", "is not the name of an environment variable")
	}
}

func checkPublicURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.Opaque != "" {
		return fmt.Errorf("%q is not a URL such as https://iam.example.com", text)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("%q must be scheme, host and port alone", text)
	}
	if host := u.Hostname(); strings.HasSuffix(host, ".") || strings.ContainsFunc(host, func(r rune) bool { return r >= 0x7f || r <= ' ' }) {
		return fmt.Errorf("%q must name the host as browsers send it: in ASCII (xn--… for other letters) and without a dot at its end", text)
	}
	if u.Scheme == "http" && !isLoopback(net.JoinHostPort(u.Hostname(), "80")) {
		return fmt.Errorf("%q must be https unless its host is loopback", text)
	}
	return nil
}

// checkHostPort accepts host:port; to listen, an empty host and port 0 too.
func checkHostPort(addr string, listen bool) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port", addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || (n == 0 && !listen) {
		return fmt.Errorf("%q has no valid port", addr)
	}
	if host == "" && listen {
		return nil
	}
	if _, err := netip.ParseAddr(host); err != nil && !validName(host) {
		return fmt.Errorf("%q has no valid host", addr)
	}
	return nil
}

var hostName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
})

func validName(host string) bool { return len(host) <= 253 && hostName().MatchString(host) }

// isLoopback judges an address as written: a name other than localhost may
// lead anywhere, and no host means every interface.
func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
