package pods_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/metadata/pods"
)

const node = "node-1"

// api is a Kubernetes API with pods and service accounts. Tests change what it
// lists and tells of.
type api struct {
	*httptest.Server
	mu      sync.Mutex
	version int
	lists   map[string]map[string]map[string]any // kind → name → object
	streams map[string][]chan string
	token   string
	gone    bool // the next watch is answered 410
	down    bool
	asked   []string
	short   bool // watches end as they begin
	pages   bool // lists come in two, the first of them empty
}

func newAPI(t *testing.T) *api {
	a := &api{version: 10, token: "first", streams: map[string][]chan string{}, lists: map[string]map[string]map[string]any{"pods": {}, "serviceaccounts": {}}}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(a.serve))
	t.Cleanup(func() { a.CloseClientConnections(); a.Close() })
	return a
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	kind := strings.TrimPrefix(r.URL.Path, "/api/v1/")
	q := r.URL.Query()
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.String())
	all, known := a.lists[kind]
	switch {
	case a.down:
		a.mu.Unlock()
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	case r.Header.Get("Authorization") != "Bearer "+a.token:
		a.mu.Unlock()
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	case !known || kind == "pods" && q.Get("fieldSelector") != "spec.nodeName="+node:
		a.mu.Unlock()
		http.NotFound(w, r)
		return
	case q.Get("watch") == "" && q.Get("continue") == "" && a.pages:
		a.mu.Unlock()
		fmt.Fprint(w, `{"metadata":{"resourceVersion":"10","continue":"more"},"items":[]}`)
		return
	case q.Get("watch") == "":
		items := []any{}
		for _, o := range all {
			items = append(items, o)
		}
		text, _ := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": fmt.Sprint(a.version)}, "items": items})
		a.mu.Unlock()
		_, _ = w.Write(text)
		return
	case a.gone:
		a.gone = false
		a.mu.Unlock()
		w.WriteHeader(http.StatusGone)
		return
	}
	if a.short && kind == "pods" {
		a.mu.Unlock()
		return
	}
	events := make(chan string, 100)
	a.streams[kind] = append(a.streams[kind], events)
	a.mu.Unlock()
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e, more := <-events:
			if !more {
				return
			}
			fmt.Fprintln(w, e)
			w.(http.Flusher).Flush()
		}
	}
}

// tell changes what is listed and tells all who watch.
func (a *api) tell(kind, change string, o map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	m := o["metadata"].(map[string]any)
	m["resourceVersion"] = fmt.Sprint(a.version)
	if id := fmt.Sprint(m["namespace"], "/", m["name"]); change == "DELETED" {
		delete(a.lists[kind], id)
	} else {
		a.lists[kind][id] = o
	}
	a.line(kind, map[string]any{"type": change, "object": o})
}

func (a *api) line(kind string, event map[string]any) {
	text, _ := json.Marshal(event)
	for _, s := range a.streams[kind] {
		s <- string(text)
	}
}

// end ends all watches.
func (a *api) end(kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.streams[kind] {
		close(s)
	}
	a.streams[kind] = nil
}

func (a *api) watchers(kind string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.streams[kind])
}

type settings func(pod map[string]any)

func aPod(name, ip string, more ...settings) map[string]any {
	p := map[string]any{"metadata": map[string]any{"namespace": "shop", "name": name, "uid": "uid-" + name},
		"spec":   map[string]any{"nodeName": node, "serviceAccountName": "cart"},
		"status": map[string]any{"phase": "Running", "podIP": ip, "podIPs": []any{map[string]any{"ip": ip}}}}
	for _, m := range more {
		m(p)
	}
	return p
}

func with(part, key string, value any) settings {
	return func(p map[string]any) { p[part].(map[string]any)[key] = value }
}

func anAccount(name, annotation string) map[string]any {
	m := map[string]any{"namespace": "shop", "name": name}
	if annotation != "" {
		m["annotations"] = map[string]any{pods.Annotation: annotation}
	}
	return map[string]any{"metadata": m}
}

// clock is set by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type watching struct {
	*pods.Watcher
	*api
	clock  *clock
	folder string
}

func watch(t *testing.T, a *api) *watching {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "ca.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})))
	write(t, filepath.Join(folder, "token"), "first\n")
	c := &clock{at: time.Now()}
	w, err := pods.New(pods.Options{Node: node, Server: a.URL, CAFile: filepath.Join(folder, "ca.crt"), TokenFile: filepath.Join(folder, "token"), Stale: time.Minute, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.AccountOf(netip.MustParseAddr("10.0.0.1")); ok {
		t.Error("a pod is known before anything was asked")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { w.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	out := &watching{w, a, c, folder}
	out.until(t, "it watches", func() bool { return a.watchers("pods") > 0 && a.watchers("serviceaccounts") > 0 })
	return out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *watching) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// at is the pod at an address, "" for none.
func (w *watching) at(ip string) string {
	p, ok := w.AccountOf(netip.MustParseAddr(ip))
	if !ok {
		return ""
	}
	return p.Name + " of " + p.Subject() + " as " + p.Annotation
}

func (w *watching) becomes(t *testing.T, ip, want string) {
	t.Helper()
	w.until(t, fmt.Sprintf("%s is %q, not %q", ip, want, w.at(ip)), func() bool { return w.at(ip) == want })
}

const cart = " of system:serviceaccount:shop:cart as aje1"

func TestPodsAreKnownByTheirAddresses(t *testing.T) {
	a := newAPI(t)
	a.tell("serviceaccounts", "ADDED", anAccount("cart", "aje1"))
	a.tell("serviceaccounts", "ADDED", anAccount("plain", ""))
	for _, p := range []map[string]any{
		aPod("a", "10.0.0.1"),
		aPod("six", "fd00::1"),
		aPod("two", "10.0.0.2", with("status", "podIPs", []any{map[string]any{"ip": "10.0.0.2"}, map[string]any{"ip": "fd00::2"}})),
		aPod("starting", "10.0.0.3", with("status", "phase", "Pending")),
		aPod("host", "192.168.0.1", with("spec", "hostNetwork", true)),
		aPod("done", "10.0.0.4", with("status", "phase", "Succeeded")),
		aPod("failed", "10.0.0.5", with("status", "phase", "Failed")),
		aPod("lost", "10.0.0.6", with("status", "phase", "Unknown")),
		aPod("elsewhere", "10.0.0.7", with("spec", "nodeName", "node-2")),
		aPod("nowhere", ""),
		aPod("plain", "10.0.0.8", with("spec", "serviceAccountName", "plain")),
		aPod("default", "10.0.0.9", with("spec", "serviceAccountName", "")),
	} {
		a.tell("pods", "ADDED", p)
	}
	a.pages = true
	w := watch(t, a)
	if asked := strings.Join(a.asked, "\n"); !strings.Contains(asked, "continue=more") {
		t.Errorf("the second page was not asked for:\n%s", asked)
	}
	for ip, want := range map[string]string{
		"10.0.0.1": "a" + cart, "::ffff:10.0.0.1": "a" + cart, "fd00::1": "six" + cart, "fd00::1%eth0": "six" + cart,
		"10.0.0.2": "two" + cart, "fd00::2": "two" + cart, "10.0.0.3": "starting" + cart,
		"192.168.0.1": "", "10.0.0.4": "", "10.0.0.5": "", "10.0.0.6": "", "10.0.0.7": "", "0.0.0.0": "", "10.0.0.77": "",
		"10.0.0.8": "plain of system:serviceaccount:shop:plain as ", "10.0.0.9": "default of system:serviceaccount:shop:default as ",
	} {
		if got := w.at(ip); got != want {
			t.Errorf("%s is %q, want %q", ip, got, want)
		}
	}
	if _, ok := w.AccountOf(netip.Addr{}); ok {
		t.Error("nobody's address is a pod's")
	}
}

func TestChangesAreHeard(t *testing.T) {
	a := newAPI(t)
	w := watch(t, a)
	a.tell("pods", "ADDED", aPod("a", ""))
	a.tell("pods", "MODIFIED", aPod("a", "10.0.0.1"))
	w.becomes(t, "10.0.0.1", "a of system:serviceaccount:shop:cart as ")
	a.tell("serviceaccounts", "ADDED", anAccount("cart", "aje1"))
	w.becomes(t, "10.0.0.1", "a"+cart)
	a.tell("serviceaccounts", "MODIFIED", anAccount("cart", "aje2"))
	w.becomes(t, "10.0.0.1", "a of system:serviceaccount:shop:cart as aje2")
	a.tell("serviceaccounts", "DELETED", anAccount("cart", "aje2"))
	w.becomes(t, "10.0.0.1", "a of system:serviceaccount:shop:cart as ")
	a.tell("pods", "MODIFIED", aPod("a", "10.0.0.2")) // its sandbox was made anew
	w.becomes(t, "10.0.0.1", "")
	w.becomes(t, "10.0.0.2", "a of system:serviceaccount:shop:cart as ")
	a.tell("pods", "DELETED", aPod("a", "10.0.0.2"))
	w.becomes(t, "10.0.0.2", "")
}

// While two pods seem to have one address nobody has it.
func TestAddressesAreUsedAgain(t *testing.T) {
	a := newAPI(t)
	a.tell("serviceaccounts", "ADDED", anAccount("cart", "aje1"))
	w := watch(t, a)
	a.tell("pods", "ADDED", aPod("old", "10.0.0.1"))
	w.becomes(t, "10.0.0.1", "old"+cart)
	a.tell("pods", "ADDED", aPod("new", "10.0.0.1"))
	w.becomes(t, "10.0.0.1", "")
	a.tell("pods", "MODIFIED", aPod("old", "10.0.0.1", with("status", "phase", "Succeeded")))
	w.becomes(t, "10.0.0.1", "new"+cart)
	a.tell("pods", "DELETED", aPod("old", "10.0.0.1"))
	a.tell("pods", "ADDED", aPod("other", "10.0.0.9"))
	w.becomes(t, "10.0.0.9", "other"+cart)
	if got := w.at("10.0.0.1"); got != "new"+cart {
		t.Errorf("the end of the old one took the new one's: %q", got)
	}
}

// A pod that is being deleted has its address as long as it runs and may.
func TestPodsThatAreBeingDeleted(t *testing.T) {
	a := newAPI(t)
	a.tell("serviceaccounts", "ADDED", anAccount("cart", "aje1"))
	w := watch(t, a)
	running := with("status", "containerStatuses", []any{map[string]any{"state": map[string]any{"running": map[string]any{"startedAt": "2026-01-01T00:00:00Z"}}}})
	ended := with("status", "containerStatuses", []any{map[string]any{"state": map[string]any{"terminated": map[string]any{"exitCode": 0}}}})
	until := with("metadata", "deletionTimestamp", w.clock.now().Add(30*time.Second).UTC().Format(time.RFC3339))
	a.tell("pods", "ADDED", aPod("a", "10.0.0.1", running, until))
	a.tell("pods", "ADDED", aPod("b", "10.0.0.2", ended, until))
	a.tell("pods", "ADDED", aPod("c", "10.0.0.3", running, until))
	w.becomes(t, "10.0.0.3", "c"+cart)
	if got := w.at("10.0.0.1"); got != "a"+cart {
		t.Errorf("in its last seconds: %q", got)
	}
	if got := w.at("10.0.0.2"); got != "" {
		t.Errorf("when all of it has ended: %q", got)
	}
	w.clock.add(31 * time.Second)
	if got := w.at("10.0.0.1"); got != "" {
		t.Errorf("after its time: %q", got)
	}
}

func TestAWatchGoesOnWhereItEnded(t *testing.T) {
	a := newAPI(t)
	w := watch(t, a)
	a.tell("pods", "ADDED", aPod("a", "10.0.0.1"))
	w.becomes(t, "10.0.0.1", "a of system:serviceaccount:shop:cart as ")
	a.mu.Lock()
	version, before := a.version, len(a.asked)
	a.mu.Unlock()
	a.end("pods")
	w.until(t, "it watches again", func() bool { return a.watchers("pods") > 0 })
	a.mu.Lock()
	again := strings.Join(a.asked[before:], "\n")
	a.mu.Unlock()
	if !strings.Contains(again, fmt.Sprintf("resourceVersion=%d&", version)) || strings.Contains(again, "limit=") {
		t.Errorf("after version %d it asked\n%s", version, again)
	}
	// A bookmark moves the version on; what happened while nobody watched and the
	// API has forgotten is found by a list.
	a.mu.Lock()
	a.version = 500
	a.line("pods", map[string]any{"type": "BOOKMARK", "object": map[string]any{"metadata": map[string]any{"resourceVersion": "500"}}})
	a.gone = true
	delete(a.lists["pods"], "shop/a")
	before = len(a.asked)
	a.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	a.end("pods")
	w.becomes(t, "10.0.0.1", "")
	a.mu.Lock()
	again = strings.Join(a.asked[before:], "\n")
	a.mu.Unlock()
	if !strings.Contains(again, "resourceVersion=500&") || !strings.Contains(again, "limit=") {
		t.Errorf("it asked\n%s", again)
	}
	// The same said inside the answer.
	w.until(t, "it watches again", func() bool { return a.watchers("pods") > 0 })
	a.mu.Lock()
	a.lists["pods"]["shop/b"] = aPod("b", "10.0.0.2")
	a.line("pods", map[string]any{"type": "ERROR", "object": map[string]any{"kind": "Status", "code": 410}})
	a.mu.Unlock()
	w.becomes(t, "10.0.0.2", "b of system:serviceaccount:shop:cart as ")
}

// What was not heard of for too long is known no more, and again when it is.
func TestOldWordIsNoAnswer(t *testing.T) {
	a := newAPI(t)
	w := watch(t, a)
	a.tell("pods", "ADDED", aPod("a", "10.0.0.1"))
	const me = "a of system:serviceaccount:shop:cart as "
	w.becomes(t, "10.0.0.1", me)
	a.mu.Lock()
	a.down = true
	a.mu.Unlock()
	a.end("pods")
	w.clock.add(50 * time.Second)
	if got := w.at("10.0.0.1"); got != me {
		t.Errorf("within the bound: %q", got)
	}
	w.clock.add(11 * time.Second)
	if got := w.at("10.0.0.1"); got != "" {
		t.Errorf("beyond it: %q, %s old", got, w.Age())
	}
	a.mu.Lock()
	a.down, a.token = false, "second"
	a.mu.Unlock()
	a.end("serviceaccounts")
	write(t, filepath.Join(w.folder, "token"), "second") // as the kubelet renews it
	w.becomes(t, "10.0.0.1", me)
}

// An answer that is no word of the cluster is not taken for one: what it leaves out
// is found by a list.
func TestBrokenChangesAreNoWord(t *testing.T) {
	a := newAPI(t)
	w := watch(t, a)
	a.mu.Lock()
	a.lists["pods"]["shop/a"] = aPod("a", "10.0.0.1") // of which nobody is told
	for _, s := range a.streams["pods"] {
		s <- "<html>"
	}
	a.mu.Unlock()
	const me = " of system:serviceaccount:shop:cart as "
	w.becomes(t, "10.0.0.1", "a"+me)
	w.until(t, "it watches again", func() bool { return a.watchers("pods") > 0 })
	a.mu.Lock()
	a.short = true
	a.lists["pods"]["shop/b"] = aPod("b", "10.0.0.2")
	a.mu.Unlock()
	a.end("pods")
	time.Sleep(300 * time.Millisecond) // it watches, and hears nothing
	if got := w.at("10.0.0.2"); got != "" {
		t.Fatalf("%q, of which it was not told", got)
	}
	w.clock.add(61 * time.Second)
	a.mu.Lock()
	a.line("serviceaccounts", map[string]any{"type": "BOOKMARK", "object": map[string]any{"metadata": map[string]any{"resourceVersion": "600"}}})
	a.mu.Unlock()
	w.becomes(t, "10.0.0.2", "b"+me)
}

func TestOptions(t *testing.T) {
	for what, o := range map[string]pods.Options{
		"no node":   {Server: "https://k"},
		"no server": {Node: "n"},
		"no TLS":    {Node: "n", Server: "http://10.0.0.1"},
		"a path":    {Node: "n", Server: "https://k/x"},
		"a user":    {Node: "n", Server: "https://u:p@k"},
		"too fresh": {Node: "n", Server: "https://k", Stale: time.Second},
	} {
		if _, err := pods.New(o); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	if _, err := pods.InCluster(func(string) string { return "" }, "n"); err != pods.ErrNoCluster {
		t.Errorf("in no pod: %v", err)
	}
	o, err := pods.InCluster(func(v string) string {
		return map[string]string{"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}[v]
	}, "n")
	if err != nil || o.Server != "https://[fd00::1]:443" || o.TokenFile == "" || o.CAFile == "" {
		t.Errorf("%+v %v", o, err)
	}
}
