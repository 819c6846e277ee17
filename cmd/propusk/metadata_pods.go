package main

import (
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/metadata/pods"
	"github.com/propusk/propusk/internal/metadata/source"
)

const longestID = 50 // of a service account [API fact: IAM, service accounts]

// podsStale is how long after the cluster's last word its pods are believed to be
// who they were.
const podsStale = 2 * time.Minute

// openPods makes the watcher when a listener tells pods apart.
func (m *metadataSources) openPods(s *metadata.Settings, log *slog.Logger) (err error) {
	if !slices.ContainsFunc(s.Listeners, func(l metadata.ListenerSettings) bool { return len(l.ByPod) > 0 || l.Annotated.Account != "" }) {
		return nil
	}
	k := s.Kubernetes
	options := pods.Options{Node: k.Node, Server: k.Server, CAFile: k.CAFile, TokenFile: k.TokenFile}
	if k.Server == "" {
		if options, err = pods.InCluster(os.Getenv, k.Node); err != nil {
			return err
		}
	}
	options.Stale, options.Log = podsStale, log
	m.watcher, err = pods.New(options)
	return err
}

// accountsOfPods gives a pod the account that the operator gave its service
// account, or else the one that the service account names by annotation, where
// that counts.
func (m *metadataSources) accountsOfPods(l *metadata.ListenerSettings) metadata.Accounts {
	type name struct{ namespace, account string }
	given := map[name]string{}
	for _, r := range l.ByPod {
		given[name{r.Namespace, r.ServiceAccount}] = r.Account
	}
	var annotated *source.Pool
	if agent := l.Annotated.Account; agent != "" {
		annotated = source.NewPool(source.PoolOptions{New: func(id string) (*source.Renewer, error) {
			origin := &source.Impersonated{Origin: m.origins[agent], Account: id, As: m.client.ForServiceAccount}
			policy := m.policy
			policy.Log = policy.Log.With("account", id)
			return source.NewRenewer(origin, m.keys(), policy)
		}})
		m.pools[l.Name] = annotated
	}
	return metadata.ByPod(m.watcher, func(p pods.Pod) (source.Account, error) {
		if account, ok := given[name{p.Namespace, p.ServiceAccount}]; ok {
			return m.account(account), nil
		}
		if annotated == nil || p.Annotation == "" || len(p.Annotation) > longestID || !slices.Contains(l.Annotated.Namespaces, p.Namespace) {
			return nil, source.ErrNoAccount
		}
		return annotated.Get(p.Annotation)
	})
}
