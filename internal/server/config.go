package server

import (
	_ "embed"
	"log/slog"
	"time"
)

// The fields' comments below are the manual: `propusk serve -h`, `propusk
// config` and docs/operating.md print them, which is why this file travels in
// the binary.
//
//go:embed config.go
var configSource []byte

// Config is every setting of a server. A field's `config` tag is its name in
// the file; the flag is that name behind two dashes, the environment variable
// is PROPUSK_ and the name in capitals with underscores (names inside a
// section are joined to the section's by a dash).
//
// A zero field means its default: Load and New both call SetDefaults, so a
// Config written down in Go needs only what it wants to differ.
type Config struct {
	// Data is the folder that holds everything the server keeps: the database, the audit journal, keys and the operator's socket. It must be on a local disk. `serve` has no default for it.
	Data string `config:"data"`
	// Database is the URL of a PostgreSQL database, such as postgres://propusk@db.example.com/propusk?sslmode=verify-full, which several servers may share. Without it the database is a file in the data folder. A flag shows its password to everyone on the machine: leave the password out and give PGPASSFILE, or use the environment or the file.
	Database DatabaseURL `config:"database"`

	// HTTPListen is the host:port for REST, the key set, the revocation feed, and gRPC too (told apart by content type). Port 0 takes a free one.
	HTTPListen string `config:"http-listen" default:"127.0.0.1:8080"`
	// GRPCListen is the host:port for gRPC alone, the fast door. "off" closes it.
	GRPCListen string `config:"grpc-listen" default:"127.0.0.1:4430"`
	// DebugListen is the host:port for /metrics, /healthz and /readyz, always plaintext. "off" closes it.
	DebugListen string `config:"debug-listen" default:"127.0.0.1:9090"`
	// PProf adds Go's profiles to the debug listener, which must then be on loopback: a profile shows memory.
	PProf bool `config:"pprof"`

	// AccessListen is the host:port where other services ask who somebody is and what he may do (AccessService), over gRPC. They prove themselves as access-callers says; `dev` believes everyone. Off loopback it needs tls-cert. "off" closes it.
	AccessListen string `config:"access-listen" default:"127.0.0.1:4286"`
	// AccessClientCA is a PEM file with the authorities whose certificates the services on access-listen show. It is read again when it changes.
	AccessClientCA string `config:"access-client-ca"`
	// AccessCallers are the services that may ask on access-listen: each has a name, either the certificate's name (a DNS name, URI or common name in it) or the id of the service-account whose IAM token it sends, and the types of resource that it may ask about. On a command line, an entry is written name=ydb certificate=ydb.example.com types=ydb.database|resource-manager.folder.
	AccessCallers []AccessCaller `config:"access-callers"`

	// KubernetesAudiences are the audiences for which IAM tokens are good at /k8s/tokenreview, besides the API servers themselves. Given any, a review that asks for none of them is answered no: so the API server's own (its --api-audiences) must be among them.
	KubernetesAudiences []string `config:"kubernetes-audiences"`

	// LeakSources are the code hosts and scanners that may report leaked credentials (/secret-types and /suspects): each has an id, which it names in its requests, and the id of the service-account whose IAM token it sends. On a command line, an entry is written id=github service-account=aje0000000000000000a.
	LeakSources []LeakSource `config:"leak-sources"`

	// Registries are the container registries that send clients here for a token (/v2/token): each has a service, which is the name that it has for itself (auth.token.service of the distribution's registry), perhaps a resource, which is the id of the container-registry.registry that all its repositories belong to (without one, the first part of a repository's name is that id), and perhaps keys, which is "certificates" (default) when it is given /v2/token/certs as rootcertbundle, once and for all, or "set" when it is given /v2/token/keys as jwks, to be read anew once a week. On a command line, an entry is written service=cr.example.com resource=crp0000000000000000a.
	Registries []Registry `config:"registries"`

	// TLSCert is a PEM file with the certificate chain of both public listeners and access-listen, leaf first. It is read again when it changes.
	TLSCert string `config:"tls-cert"`
	// TLSKey is the PEM file with the private key of tls-cert.
	TLSKey string `config:"tls-key"`
	// TLSNames are further names and addresses for the certificate that `dev` makes; `serve` does not use them.
	TLSNames []string `config:"tls-names"`
	// BehindProxy names the proxy that terminates TLS in front of this server, in your own words. Without TLS here, a listener off loopback is refused unless this is given.
	BehindProxy string `config:"behind-proxy"`
	// TrustedProxies are addresses and CIDR ranges whose X-Forwarded-For header is believed. From anyone else the header is ignored.
	TrustedProxies []string `config:"trusted-proxies"`

	// PublicURL is how people and programs reach the HTTP listener, such as https://iam.example.com. JWTs for it are accepted. What a request says of the server's name is never believed.
	PublicURL string `config:"public-url"`
	// APIHost is the domain under which the API is known, such as api.example.com, with a port unless it is 443. JWTs for it, and for it with `iam.` in front, are accepted, and discovery names it.
	APIHost string `config:"api-host"`
	// Endpoints adds addresses of other services to discovery: service id to host:port.
	Endpoints map[string]string `config:"endpoints"`

	// Audience adds values that a JWT's aud may have, compared exactly.
	Audience []string `config:"audience"`
	// StrictAudience refuses the two audiences of the public cloud, which SDKs have built in.
	StrictAudience bool `config:"strict-audience"`
	// ClockSkew is how far a JWT's clock may be from ours, at most 5m.
	ClockSkew time.Duration `config:"clock-skew" default:"60s"`

	// Roles are files that define roles, scopes of API keys and resource types beside the builtin ones, as docs/roles.md says. They are read at the start; a file that is not right stops it. All servers on one database need the same files.
	Roles []string `config:"roles"`

	// SessionIdle is how long a person who has signed in may do nothing before he has to sign in again, at least 15m. IAM tokens made from a session end no later than that, and no later than 12 hours.
	SessionIdle time.Duration `config:"session-idle" default:"12h"`
	// SessionLife is how long a person stays signed in at most, however busy he is; at most 90d.
	SessionLife time.Duration `config:"session-life" default:"7d"`
	// Places are names of networks, which the list of sessions shows beside addresses in them, such as 10.1.0.0/16=Moscow office. Of several that fit, the smallest network counts.
	Places []string `config:"places"`

	// SignUp says who may make an account without being invited: "off" is nobody, "open" everybody, "e-mail" those with a mailbox of a domain in sign-up-domains. With smtp-address the account is made by a link that goes to the mailbox; without, "open" makes it at once, and it has no e-mail address.
	SignUp string `config:"sign-up" default:"off"`
	// SignUpDomains are the domains of mailboxes with which "e-mail" lets people sign up, such as example.com; subdomains are others.
	SignUpDomains []string `config:"sign-up-domains"`
	// SignUpOrganization are ids of organizations of which people who sign up become members. Without any they are members of none.
	SignUpOrganization []string `config:"sign-up-organization"`

	// SMTP is the server that takes mail to people: links to forgotten passwords and to new accounts.
	SMTP SMTP `config:"smtp"`

	// Providers are where people may sign in instead of here. Each has an id, which stands in addresses, a title, which stands on a button, a client-id, perhaps a client-secret or client-secret-file, and either an issuer (OpenID Connect) or an authorization-endpoint, a token-endpoint and a userinfo-endpoint (OAuth 2.0) with subject-field, email-field, name-field and login-field. The provider must know the address public-url/login/from/ID. scopes is what is asked for. match is "subject" (default), so that people connect their accounts themselves, or "e-mail", so that a verified address is enough the first time. domains are those that addresses must have. create makes accounts for those who have none, in organizations. trust-e-mail takes every address for verified; trust-second-factor asks for none here. On a command line, an entry is written id=google title="Google Workspace" issuer=https://accounts.google.com client-id=… client-secret-file=… domains=example.com|example.org.
	Providers []SignInProvider `config:"providers"`

	// MasterKey says where the key comes from under which secrets are sealed at rest. Give at most one of the three; without any, `master.key` in the data folder is made and used.
	MasterKey MasterKey `config:"master-key"`
	// RotateEvery is the age at which a signing key is replaced by the next one.
	RotateEvery time.Duration `config:"rotate-every" default:"30d"`

	// AuditTokens is "durable" when no token may leave before its audit line is on disk, "buffered" when the last 100 ms of lines may be lost in a crash.
	AuditTokens string `config:"audit-tokens" default:"durable"`
	// AcceptJournalLoss starts the server although the audit journal is missing or cut short. The loss itself becomes an audit line. Take it out again afterwards.
	AcceptJournalLoss bool `config:"accept-journal-loss"`

	// Quotas is "documented" when clouds and organizations may hold no more than their quotas say, "off" when quotas are shown but not enforced. `serve` enforces them by default, `dev` does not.
	Quotas string `config:"quotas"`

	// LogLevel is the least level written: debug, info, warn or error. From warn on, of calls only the failures that are our own fault are logged.
	LogLevel slog.Level `config:"log-level" default:"info"`
	// LogFormat is "text" or "json". Logs go to standard error.
	LogFormat string `config:"log-format" default:"text"`

	// CacheBytes bounds the memory for remembered rows.
	CacheBytes Bytes `config:"cache-bytes" default:"64MiB"`

	// MaxConnections bounds the open connections of each public listener; more wait to be accepted.
	MaxConnections int `config:"max-connections" default:"10000"`
	// MaxStreams bounds the calls that one HTTP/2 connection may have open at a time. An open call that waits for its client takes 10 to 30 KiB, so this and max-connections bound the memory that strangers can fill.
	MaxStreams int `config:"max-streams" default:"250"`
	// MaxHeaderBytes bounds a request's headers.
	MaxHeaderBytes Bytes `config:"max-header-bytes" default:"64KiB"`
	// HandshakeTimeout bounds the TLS handshake and the time to a request's last header.
	HandshakeTimeout time.Duration `config:"handshake-timeout" default:"10s"`
	// ReadTimeout bounds the arrival of a whole request on the HTTP listener. On the gRPC listener an unfinished request lasts as long as its connection.
	ReadTimeout time.Duration `config:"read-timeout" default:"30s"`
	// WriteTimeout closes a connection whose client takes no byte of an answer for so long.
	WriteTimeout time.Duration `config:"write-timeout" default:"30s"`
	// IdleTimeout closes an HTTP connection without requests.
	IdleTimeout time.Duration `config:"idle-timeout" default:"2m"`
	// ShutdownTimeout bounds the wait for calls in progress when the server stops.
	ShutdownTimeout time.Duration `config:"shutdown-timeout" default:"15s"`
}

// MasterKey says where the master key comes from. Empty, the server keeps one
// of its own in the data folder.
type MasterKey struct {
	// File is a file that holds the key. Others than its owner and group must not be able to read it.
	File string `config:"file"`
	// Env is the name of an environment variable that holds the key.
	Env string `config:"env"`
	// Command is a program that prints the key, with its arguments after spaces. It is run at start, without a shell.
	Command string `config:"command"`
}

// SMTP says how mail is sent. Empty, none is.
type SMTP struct {
	// Address is the host:port of the SMTP server, such as smtp.example.com:587. Without it no mail is sent. It needs public-url, for letters have links.
	Address string `config:"address"`
	// From is the e-mail address that letters come from.
	From string `config:"from"`
	// User is the name under which this server signs in there (AUTH PLAIN). Without it, it does not.
	User string `config:"user"`
	// Password is what belongs to it. A flag shows it to everyone on the machine: use the file below, the environment or the config file.
	Password HiddenText `config:"password"`
	// PasswordFile is a file that holds the password, in place of it. It is read at start.
	PasswordFile string `config:"password-file"`
	// TLS is "starttls" when the connection begins in the clear and must then be encrypted, "tls" when it is encrypted from its first byte, "none" when it never is: to this machine alone.
	TLS string `config:"tls" default:"starttls"`
}

// Bytes is a size. It is written as a number of bytes, or with KiB, MiB or GiB.
type Bytes int64

// The settings of AuditTokens.
const (
	AuditDurable  = "durable"
	AuditBuffered = "buffered"
)

// The settings of Quotas.
const (
	QuotasDocumented = "documented"
	QuotasOff        = "off"
)

// Off is what closes a listener that may be closed.
const Off = "off"

// SetDefaults gives every zero field its default.
func (c *Config) SetDefaults() {
	for _, s := range settingsOf(c) {
		if s.def != "" && s.value.IsZero() {
			if err := s.set(s.def); err != nil {
				panic("server: default of " + s.name + ": " + err.Error())
			}
		}
	}
}
