package pods

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// Whatever an API tells, an address is that of a live pod of this node outside
// the node's own network, or nobody's.
func FuzzChanges(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ADDED","object":{"metadata":{"name":"a","namespace":"n","resourceVersion":"1"},"spec":{"nodeName":"node"},"status":{"phase":"Running","podIP":"10.0.0.1"}}}`,
		`{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"},"spec":{"nodeName":"node","hostNetwork":true},"status":{"phase":"Running","podIP":"10.0.0.1"}}}`,
		`{"type":"DELETED","object":{"metadata":{"resourceVersion":"2"}}}`, `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"2"}}}`,
		`{"type":"ERROR","object":{"code":410}}`, `{"type":"ADDED","object":null}`, `{"type":"ADDED"`, `[]`, `{}`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		w, err := New(Options{Node: "node", Server: "https://k"})
		if err != nil {
			t.Fatal(err)
		}
		w.accounted.hear()
		w.pods.hear()
		_ = w.pods.follow(&http.Response{Body: io.NopCloser(strings.NewReader(lines))})
		for a, all := range w.byAddress {
			for n, p := range all {
				if p.Spec.HostNetwork || p.Spec.NodeName != "node" || w.known[n] != p || a.Is4In6() {
					t.Errorf("%s is %+v after %s", a, p, lines)
				}
			}
		}
		for n, p := range w.known {
			if got, ok := w.AccountOf(p.addresses()[0]); ok && (name{got.Namespace, got.Name}) != n && len(w.byAddress[p.addresses()[0]]) == 1 {
				t.Errorf("%v is %+v after %s", n, got, lines)
			}
		}
		if _, ok := w.AccountOf(netip.Addr{}); ok {
			t.Errorf("nobody's address is a pod's after %s", lines)
		}
	})
}
