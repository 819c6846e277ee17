package metadata

import (
	_ "embed"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Example is a file with every setting, explained.
//
//go:embed example.yaml
var Example string

// DefaultListen is where clients look without being told.
const DefaultListen = "169.254.169.254:80"

// Settings are all that a program with metadata addresses needs to know. Secrets
// are not among them, only files that hold some.
type Settings struct {
	Endpoint    string // host:port of IAM's gRPC
	CAFile      string
	Plaintext   bool
	ExchangeURL string // IAM's public address, for accounts of tokens of other issuers
	DebugListen string // host:port, "off" or ""

	MinimumLife float64 // as in source.Policy
	Recheck     time.Duration
	KeyLife     time.Duration

	// TrustedInterfaces are network interfaces at which nobody can speak under an
	// address of someone else.
	TrustedInterfaces []string

	Kubernetes KubernetesSettings
	Accounts   []AccountSettings // in the order of the file
	Listeners  []ListenerSettings
}

// AccountSettings say what an account's tokens are made of: exactly one of
// KeyFile, TokenFile and Upstream.
type AccountSettings struct {
	Name             string
	KeyFile          string // authorized key
	TokenFile        string // token of another issuer
	TokenType        string // what is in TokenFile: id_token, jwt or access_token; "": id_token
	ServiceAccountID string // whom TokenFile stands for
	Upstream         string // host:port of another metadata address
	Impersonate      string // id of the service account for which the owner of these acts; "": for itself
}

// KubernetesSettings say which node's pods are told apart, and where to ask.
type KubernetesSettings struct {
	Node              string
	Server            string // "": as a pod finds its own cluster
	CAFile, TokenFile string // with Server
}

// ListenerSettings are one address.
type ListenerSettings struct {
	Name, Listen string
	Interfaces   []string
	Shared       bool           // set by Check: another listener has the address at interfaces of its own
	Account      string         // "none" or of Accounts; "": as the next ones say
	ByAddress    []AddressRoute // in the order of the file
	ByPod        []PodRoute     // in the order of the file
	Annotated    AnnotatedPods
	Hosts        []string
	Function     bool
	HopLimit     int

	MaxConnections, MaxWaiters int

	Options      Options
	Instance     Instance
	UserDataFile string // what Instance.UserData is read from
}

// AddressRoute leads clients of a network to an account.
type AddressRoute struct {
	From    netip.Prefix
	Account string
}

// PodRoute leads the pods of a Kubernetes service account to an account.
type PodRoute struct{ Namespace, ServiceAccount, Account string }

// AnnotatedPods lets the service accounts of namespaces name, by annotation, the
// account whose tokens their pods get. They are made by Account, which must be
// allowed to act for all of those: whoever may change service accounts in these
// namespaces may choose among them.
type AnnotatedPods struct {
	Account    string // "": nothing goes by annotations
	Namespaces []string
}

// NoAccount is the name by which a listener has no account.
const NoAccount = "none"

// SettingsError is everything that is wrong with the settings, each problem with
// its place.
type SettingsError struct{ Problems []string }

func (e *SettingsError) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0]
	}
	return fmt.Sprintf("configuration has %d problems:\n  %s", len(e.Problems), strings.Join(e.Problems, "\n  "))
}
