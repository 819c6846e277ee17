package pods

import (
	"net/netip"
	"time"
)

// metadata is what objects have in common.
type metadata struct {
	Namespace, Name   string
	UID               string
	DeletionTimestamp *time.Time // when a pod that is being deleted is killed at the latest
	Annotations       map[string]string
}

// pod is what counts of a Pod.
type pod struct {
	Metadata metadata
	Spec     struct {
		NodeName           string
		HostNetwork        bool
		ServiceAccountName string
	}
	Status struct {
		Phase                 string
		PodIP                 string
		PodIPs                []struct{ IP string }
		ContainerStatuses     []container
		InitContainerStatuses []container
	}
}

type container struct {
	State struct{ Running *struct{} }
}

// serviceAccount is what counts of a ServiceAccount.
type serviceAccount struct{ Metadata metadata }

func (p *pod) name() name { return name{p.Metadata.Namespace, p.Metadata.Name} }

// account is the service account that pods have without saying so, too.
func (p *pod) account() string {
	if p.Spec.ServiceAccountName == "" {
		return "default"
	}
	return p.Spec.ServiceAccountName
}

// lives tells whether an address can still be the pod's: it has not ended, and
// when it is being deleted something still runs and its time has not passed.
func (p *pod) lives(now time.Time) bool {
	if p.Status.Phase != "Running" && p.Status.Phase != "Pending" { // those before have their first containers
		return false
	}
	end := p.Metadata.DeletionTimestamp
	return end == nil || now.Before(*end) && p.running()
}

func (p *pod) running() bool {
	for _, all := range [][]container{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for _, c := range all {
			if c.State.Running != nil {
				return true
			}
		}
	}
	return false
}

// addresses are the pod's own. One in the node's network has none.
func (p *pod) addresses() (out []netip.Addr) {
	if p.Spec.HostNetwork {
		return nil
	}
	texts := []string{p.Status.PodIP}
	for _, ip := range p.Status.PodIPs {
		texts = append(texts, ip.IP)
	}
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, a.Unmap().WithZone(""))
		}
	}
	return out
}

func (w *Watcher) replacePods(all []pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.known)
	clear(w.byAddress)
	for i := range all {
		w.put(&all[i])
	}
}

func (w *Watcher) applyPod(change string, p *pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(p.name())
	if change != "DELETED" {
		w.put(p)
	}
}

// put remembers a pod of this node that has an address.
func (w *Watcher) put(p *pod) {
	addresses := p.addresses()
	if p.Spec.NodeName != w.node || len(addresses) == 0 {
		return
	}
	w.known[p.name()] = p
	for _, a := range addresses {
		if w.byAddress[a] == nil {
			w.byAddress[a] = map[name]*pod{}
		}
		w.byAddress[a][p.name()] = p
	}
}

func (w *Watcher) drop(n name) {
	p := w.known[n]
	if p == nil {
		return
	}
	delete(w.known, n)
	for _, a := range p.addresses() {
		if delete(w.byAddress[a], n); len(w.byAddress[a]) == 0 {
			delete(w.byAddress, a)
		}
	}
}

func (w *Watcher) replaceAccounts(all []serviceAccount) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.accounts)
	for i := range all {
		w.annotate(&all[i].Metadata)
	}
}

func (w *Watcher) applyAccount(change string, a *serviceAccount) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.accounts, name{a.Metadata.Namespace, a.Metadata.Name})
	if change != "DELETED" {
		w.annotate(&a.Metadata)
	}
}

func (w *Watcher) annotate(m *metadata) {
	if id := m.Annotations[Annotation]; id != "" {
		w.accounts[name{m.Namespace, m.Name}] = id
	}
}
