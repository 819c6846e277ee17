package metadata_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/metadata"
)

const settingsExample = `
endpoint: iam.example.com:4430
ca-file: ca.pem
exchange-url: https://iam.example.com
debug-listen: 127.0.0.1:9091
minimum-life: 0.5
recheck: 10m
key-life: 6h
trusted-interfaces: [br0, br1]
accounts:
  app:
    service-account-key-file: app.json
    impersonate-service-account-id: aje0000000000000000b
  ci: {token-file: token.jwt, service-account-id: aje0000000000000000a}
  vm: {metadata: "169.254.169.254:80"}
listeners:
  - name: machines
    listen: 169.254.169.254:80
    interfaces: [br0]
    accounts-by-address:
      10.0.0.5: app
      10.1.0.0/16: none
      fd00::/8: vm
    max-connections: 100
    max-waiters: 10
    hop-limit: 2
  - listen: localhost:8169
    account: ci
    function: true
    hosts: [meta.example.com]
    options: {aws-v1-http-endpoint: enabled, gce-http-token: disabled}
    instance:
      id: epd1
      zone: ru-central1-a
      attributes: {ssh-keys: "me:key"}
      labels: {env: prod}
`

func TestSettings(t *testing.T) {
	got, err := metadata.ParseSettings("f.yaml", []byte(settingsExample))
	if err == nil {
		err = got.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	want := &metadata.Settings{
		Endpoint: "iam.example.com:4430", CAFile: "ca.pem", ExchangeURL: "https://iam.example.com", DebugListen: "127.0.0.1:9091",
		MinimumLife: 0.5, Recheck: 10 * time.Minute, KeyLife: 6 * time.Hour, TrustedInterfaces: []string{"br0", "br1"},
		Accounts: []metadata.AccountSettings{
			{Name: "app", KeyFile: "app.json", Impersonate: "aje0000000000000000b"},
			{Name: "ci", TokenFile: "token.jwt", ServiceAccountID: "aje0000000000000000a"},
			{Name: "vm", Upstream: "169.254.169.254:80"}},
		Listeners: []metadata.ListenerSettings{
			{Name: "machines", Listen: "169.254.169.254:80", Interfaces: []string{"br0"}, MaxConnections: 100, MaxWaiters: 10, HopLimit: 2,
				ByAddress: []metadata.AddressRoute{{netip.MustParsePrefix("10.0.0.5/32"), "app"}, {netip.MustParsePrefix("10.1.0.0/16"), "none"}, {netip.MustParsePrefix("fd00::/8"), "vm"}}},
			{Name: "listener2", Listen: "127.0.0.1:8169", Account: "ci", Function: true, Hosts: []string{"meta.example.com"}, HopLimit: 1,
				Options:  metadata.Options{AWSv1Endpoint: metadata.Enabled, GCEToken: metadata.Disabled},
				Instance: metadata.Instance{ID: "epd1", Zone: "ru-central1-a", Attributes: map[string]string{"ssh-keys": "me:key"}, Labels: map[string]string{"env": "prod"}}},
		},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// The example is what it says, and leaves nothing out.
func TestExample(t *testing.T) {
	s, err := metadata.ParseSettings("example.yaml", []byte(metadata.Example))
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = metadata.ParseSettings("f", []byte("x: 1\nkubernetes: {x: 1}\naccounts: {a: {x: 1}}\nlisteners: [{x: 1, annotated-pods: {x: 1}, options: {x: 1}, instance: {x: 1}}]"))
	problems, ok := errors.AsType[*metadata.SettingsError](err)
	if !ok || len(problems.Problems) != 7 {
		t.Fatal(err)
	}
	for _, p := range problems.Problems {
		_, known, _ := strings.Cut(p, "there are ")
		for name := range strings.SplitSeq(known, ", ") {
			if name != "plaintext" && !strings.Contains(metadata.Example, name+":") { // it goes with no ca-file
				t.Errorf("the example does not have %s", name)
			}
		}
	}
}

// Listeners share an address when interfaces tell them apart; what has none is
// then of this machine's own programs.
func TestListenersShareAnAddress(t *testing.T) {
	s, err := metadata.ParseSettings("f", []byte(`
accounts: {vm: {metadata: 'a:80'}}
listeners:
- {account: vm}
- {account: none, interfaces: [br0]}
- {account: none, interfaces: [br1], listen: ':80'}
- {account: none, listen: '169.254.169.254:81'}
- {account: none, listen: '127.0.0.1:0'}
- {account: none, listen: '127.0.0.1:0'}`))
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, false, false, false, false} {
		if s.Listeners[i].Shared != want {
			t.Errorf("%s is shared: %t", s.Listeners[i].Name, s.Listeners[i].Shared)
		}
	}
}

// One listener and one account find each other.
func TestSettingsOfOne(t *testing.T) {
	s, err := metadata.ParseSettings("f", []byte("accounts: {vm: {metadata: '10.0.0.1:80'}}"))
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []metadata.ListenerSettings{{Name: "default", Listen: metadata.DefaultListen, Account: "vm", HopLimit: 1}}
	if diff := cmp.Diff(want, s.Listeners); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsAreRefused(t *testing.T) {
	const vm = "accounts: {vm: {metadata: 'a:80'}}\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":            {"endpiont: x", `f:1: "endpiont": no such setting; there are accounts`},
		"unknown inner key":      {"accounts:\n  a:\n    key: x", `f:3: "accounts.a.key": no such setting`},
		"twice":                  {"endpoint: a\nendpoint: b", `f:2: "endpoint": given twice`},
		"broken":                 {"a: [", "f: line 1"},
		"two documents":          {"endpoint: a\n---\nendpoint: b", "more than one document"},
		"a list":                 {"- a", "must be a mapping"},
		"a list for a text":      {"endpoint: [a]", `"endpoint": must be a single value`},
		"a text for a list":      {"trusted-interfaces: br0", "must be a list"},
		"an anchor":              {"endpoint: &a x\nca-file: *a", "anchors are not taken"},
		"a switch":               {"listeners: [{options: {gce-http-token: on}}]", `"on" is neither enabled nor disabled`},
		"a bool":                 {"plaintext: yes", `"yes" is neither true nor false`},
		"a life":                 {"minimum-life: 1.5", "above 0 and at most 0.9"},
		"no life":                {"minimum-life: .nan", "no part of a life"},
		"a duration":             {"recheck: -1s", "is not a duration"},
		"a hop limit":            {"listeners: [{hop-limit: 0}]", "no number from 1 to 255"},
		"an address":             {"listeners: [{accounts-by-address: {10.0.0: a}}]", "neither an address nor a network"},
		"bits after the mask":    {"listeners: [{accounts-by-address: {10.0.0.1/8: a}}]", "the network is 10.0.0.0/8"},
		"two sources":            {"endpoint: a:1\naccounts: {a: {metadata: 'a:1', service-account-key-file: k}}", "exactly one of"},
		"no source":              {"accounts: {a: {}}", "exactly one of"},
		"no endpoint":            {"accounts: {a: {service-account-key-file: k}}", "needs endpoint"},
		"no exchange":            {"accounts: {a: {token-file: k}}", "needs exchange-url"},
		"a type of no token":     {"exchange-url: https://a\naccounts: {a: {token-file: k, token-type: saml}}", "token-type is"},
		"a type of a key":        {"endpoint: a:1\naccounts: {a: {service-account-key-file: k, token-type: jwt}}", "goes with token-file"},
		"an id of a key":         {"endpoint: a:1\naccounts: {a: {service-account-key-file: k, service-account-id: x}}", "goes with token-file"},
		"the account none":       {"accounts: {none: {metadata: 'a:1'}}", "is no name of an account"},
		"an unknown account":     {vm + "listeners: [{account: other}]", `there is no account "other"`},
		"no account":             {vm + "listeners: [{}, {account: vm, listen: '127.0.0.1:1'}]", "must say whose tokens"},
		"pods without a node":    {vm + "trusted-interfaces: [cni0]\nlisteners: [{interfaces: [cni0], accounts-by-pod: {a/b: vm}}]", "kubernetes.node"},
		"pods anywhere":          {vm + "kubernetes: {node: n}\nlisteners: [{accounts-by-pod: {a/b: vm}}]", "needs interfaces"},
		"pods of nothing":        {vm + "listeners: [{accounts-by-pod: {ab: vm}}]", "is not namespace/service-account"},
		"pods of no account":     {vm + "kubernetes: {node: n}\nlisteners: [{accounts-by-pod: {a/b: other}}]", `there is no account "other"`},
		"any annotation":         {vm + "endpoint: 'a:1'\nkubernetes: {node: n}\nlisteners: [{annotated-pods: {account: vm}}]", "must be names of namespaces"},
		"annotations of nobody":  {vm + "listeners: [{annotated-pods: {namespaces: [a]}, account: vm}]", "account must be given"},
		"annotations and no IAM": {vm + "kubernetes: {node: n}\nlisteners: [{annotated-pods: {account: vm, namespaces: [a]}}]", "needs endpoint"},
		"a file and no server":   {vm + "kubernetes: {node: n, token-file: x}\nlisteners: [{accounts-by-pod: {a/b: vm}}]", "kubernetes.server"},
		"both":                   {vm + "listeners: [{account: vm, accounts-by-address: {10.0.0.1: vm}}]", "exclude each other"},
		"one name":               {vm + "listeners: [{account: vm, name: a}, {account: vm, name: a}]", `two are named "a"`},
		"open to all":            {vm + "listeners: [{account: vm, listen: ':80'}]", "may be reached from other machines"},
		"open to a network":      {vm + "listeners: [{account: vm, listen: '10.0.0.1:80'}]", "may be reached from other machines"},
		"a host name":            {vm + "listeners: [{account: vm, listen: 'example.com:80'}]", "must name an address"},
		"no port":                {vm + "listeners: [{account: vm, listen: '127.0.0.1'}]", "is not address:port"},
		"anyone's address":       {vm + "listeners: [{accounts-by-address: {10.0.0.1: vm}}]", "needs interfaces"},
		"untrusted interface":    {vm + "listeners: [{interfaces: [eth0], accounts-by-address: {10.0.0.1: vm}}]", "needs it in trusted-interfaces"},
		"one of them":            {vm + "trusted-interfaces: [br0]\nlisteners: [{interfaces: [br0, eth0], accounts-by-address: {10.0.0.1: vm}}]", `"eth0" needs it`},
		"an empty interface":     {vm + "listeners: [{account: vm, listen: '0.0.0.0:80', interfaces: ['']}]", "an interface without a name"},
		"nothing trusted":        {vm + "trusted-interfaces: ['']\nlisteners: [{interfaces: [''], accounts-by-address: {10.0.0.1: vm}}]", "an interface without a name"},
		"an interface twice":     {vm + "listeners: [{account: vm, interfaces: [br0, br0]}]", `"br0" is given twice`},
		"one address twice":      {vm + "listeners: [{account: vm}, {account: none}]", "listeners.listener2: listener1 has 169.254.169.254:80 already"},
		"an interface for two":   {vm + "listeners: [{account: vm, interfaces: [br0, br1]}, {account: none, listen: '0.0.0.0:80', interfaces: [br1]}]", "at interface br1"},
		"one network twice":      {vm + "trusted-interfaces: [br0]\nlisteners: [{interfaces: [br0], accounts-by-address: {10.0.0.1: vm, 10.0.0.1/32: vm}}]", "given twice"},
		"link-local twice":       {vm + "trusted-interfaces: [a, b]\nlisteners: [{interfaces: [a, b], accounts-by-address: {'fe80::1': vm}}]", "another client on each interface"},
		"a bad instance":         {vm + "listeners: [{account: vm, instance: {zone: a/b}}]", "instance.zone"},
		"a bad host":             {vm + "listeners: [{account: vm, hosts: ['a b']}]", "neither a host name"},
		"user data not there":    {vm + "listeners: [{account: vm, instance: {user-data-file: /nowhere/x}}]", "user-data-file"},
		"plaintext with a CA":    {vm + "plaintext: true\nca-file: x", "ca-file means nothing"},
		"two problems at once":   {"endpiont: x\nplaintext: maybe", "2 problems"},
		"two problems of sense":  {"accounts: {a: {}, b: {}}", "problems"},
	} {
		s, err := metadata.ParseSettings("f", []byte(c.text))
		if err == nil {
			err = s.Check()
		}
		if _, ok := errors.AsType[*metadata.SettingsError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestReadSettings(t *testing.T) {
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{big, t.TempDir(), "/nowhere/x", "/dev/zero"} {
		if _, err := metadata.ReadSettings(path); err == nil {
			t.Errorf("%s is read", path)
		}
	}
}
