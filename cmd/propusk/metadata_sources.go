package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/metadata/pods"
	"github.com/propusk/propusk/internal/metadata/source"
)

// metadataSources are the accounts of `propusk metadata`, renewed while it runs.
type metadataSources struct {
	client    *iamclient.Client    // nil without endpoint
	exchanger *iamclient.Exchanger // nil without exchange-url
	policy    source.Policy
	accounts  map[string]*source.Renewer
	origins   map[string]source.Origin
	watcher   *pods.Watcher           // nil when no listener tells pods apart
	pools     map[string]*source.Pool // by listener
}

// openSources makes all accounts. None waits for IAM: what is away now may be
// there when it is asked for.
func openSources(s *metadata.Settings, log *slog.Logger) (_ *metadataSources, err error) {
	m := &metadataSources{accounts: map[string]*source.Renewer{}, origins: map[string]source.Origin{}, pools: map[string]*source.Pool{},
		policy: source.Policy{MinimumLife: s.MinimumLife, Recheck: s.Recheck, KeyLife: s.KeyLife, Log: log}}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if s.Endpoint != "" {
		if m.client, err = iamclient.Dial(iamclient.Options{Endpoint: s.Endpoint, CAFile: s.CAFile, Plaintext: s.Plaintext}); err != nil {
			return nil, err
		}
	}
	if s.ExchangeURL != "" {
		if m.exchanger, err = iamclient.NewExchanger(iamclient.ExchangerOptions{URL: s.ExchangeURL, CAFile: s.CAFile}); err != nil {
			return nil, err
		}
	}
	for _, a := range s.Accounts {
		origin, err := m.origin(a)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", a.Name, err)
		}
		m.origins[a.Name] = origin
		p := m.policy
		p.Log = log.With("account", a.Name)
		if m.accounts[a.Name], err = source.NewRenewer(origin, m.keys(), p); err != nil {
			return nil, fmt.Errorf("account %s: %w", a.Name, err)
		}
	}
	return m, m.openPods(s, log)
}

// keys makes access keys, or nothing does when IAM's address is not known.
func (m *metadataSources) keys() source.Keys {
	if m.client == nil {
		return nil
	}
	return m.client.Ephemeral
}

func (m *metadataSources) origin(a metadata.AccountSettings) (origin source.Origin, err error) {
	switch {
	case a.KeyFile != "":
		origin, err = source.NewKeyFile(m.client, a.KeyFile)
	case a.TokenFile != "":
		kind, _ := source.SubjectType(a.TokenType) // the settings have been checked
		origin = &source.Workload{Exchanger: m.exchanger, Subject: source.TokenFile(a.TokenFile), Type: kind, Account: a.ServiceAccountID}
	default:
		origin, err = source.NewUpstream(a.Upstream, nil)
	}
	if err != nil || a.Impersonate == "" {
		return origin, err
	}
	return &source.Impersonated{Origin: origin, Account: a.Impersonate, As: m.client.ForServiceAccount}, nil
}

// accountsOf is whose tokens a listener gives.
func (m *metadataSources) accountsOf(l *metadata.ListenerSettings) (metadata.Accounts, error) {
	switch {
	case len(l.ByAddress) > 0:
		var routes []metadata.Route
		for _, r := range l.ByAddress {
			routes = append(routes, metadata.Route{From: r.From, Account: m.account(r.Account)})
		}
		return metadata.ByAddress(routes)
	case len(l.ByPod) > 0 || l.Annotated.Account != "":
		return m.accountsOfPods(l), nil
	case l.Account == metadata.NoAccount:
		return nil, nil
	}
	return metadata.Everyone(m.account(l.Account)), nil
}

// account is nil for NoAccount.
func (m *metadataSources) account(name string) source.Account {
	if r, ok := m.accounts[name]; ok {
		return r
	}
	return nil
}

func (m *metadataSources) reporters() map[string]metadata.Reporter {
	all := map[string]metadata.Reporter{}
	for name, r := range m.accounts {
		all[name] = r
	}
	return all
}

// ready fails while an account has no token to give.
func (m *metadataSources) ready(context.Context) error {
	for name, r := range m.accounts {
		if s := r.Status(); s.Token.Remaining <= 0 {
			return fmt.Errorf("account %s has no token: %s", name, cmp.Or(s.Token.Failure, "IAM has not answered yet"))
		}
	}
	if m.watcher != nil && !m.watcher.Heard() {
		return errors.New("the cluster has not told of its pods")
	}
	return nil
}

func (m *metadataSources) close() {
	for _, p := range m.pools {
		p.Close()
	}
	for _, r := range m.accounts {
		if r != nil {
			r.Close()
		}
	}
	if m.exchanger != nil {
		m.exchanger.Close()
	}
	if m.client != nil {
		_ = m.client.Close()
	}
}
