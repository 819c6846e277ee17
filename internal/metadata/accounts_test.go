package metadata_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/metadata/pods"
	"github.com/propusk/propusk/internal/metadata/source"
)

func TestByAddress(t *testing.T) {
	one, wide := &account{id: "one", token: "t1.one.x", life: time.Hour}, &account{id: "wide", token: "t1.wide.x", life: time.Hour}
	byAddress, err := metadata.ByAddress([]metadata.Route{
		{netip.MustParsePrefix("10.0.0.0/8"), wide}, {netip.MustParsePrefix("10.0.0.5/32"), one}, {netip.MustParsePrefix("fd00::/8"), one}})
	if err != nil {
		t.Fatal(err)
	}
	d := door(t, metadata.Config{Accounts: byAddress, Instance: machine()})
	for client, want := range map[string]string{
		"10.0.0.5:1": "t1.one.x", "10.0.0.6:1": "t1.wide.x", "[::ffff:10.0.0.5]:1": "t1.one.x", "11.0.0.1:1": "",
		"[fd00::1]:1": "t1.one.x", "[fd00::1%eth0]:1": "t1.one.x", "[fe80::1%eth0]:1": "",
	} {
		w := askFrom(d, client, "GET", "/computeMetadata/v1/instance/service-accounts/default/token", flavour)
		if want == "" && w.Code != 404 || want != "" && !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %q", client, w.Code, w.Body, want)
		}
	}
	// An unknown client is told nothing of the machine either.
	for _, path := range []string{"/", "/computeMetadata/v1/instance/attributes/user-data", "/latest/user-data", "/latest/meta-data/"} {
		if w := askFrom(d, "11.0.0.1:1", "GET", path, flavour); w.Code != 404 {
			t.Errorf("%s for an unknown client: %d %q", path, w.Code, w.Body)
		}
	}
	if w := askFrom(d, "11.0.0.1:1", "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60"); w.Code != 404 {
		t.Errorf("a session token for an unknown client: %d", w.Code)
	}
	for _, wrong := range []string{"10.0.0.0/8 10.1.0.0/8", "::ffff:10.0.0.0/104"} {
		var routes []metadata.Route
		for p := range strings.FieldsSeq(wrong) {
			routes = append(routes, metadata.Route{From: netip.MustParsePrefix(p)})
		}
		if _, err := metadata.ByAddress(routes); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

// node is what is known of a node's pods.
type node struct {
	who  func(netip.Addr) (pods.Pod, bool)
	deaf bool
}

func (n node) AccountOf(a netip.Addr) (pods.Pod, bool) { return n.who(a) }
func (n node) Heard() bool                             { return !n.deaf }

// While the cluster cannot be asked, a pod is told to come again, and not that it
// has no account: clients believe that for good.
func TestPodsOfAClusterThatIsAway(t *testing.T) {
	d := door(t, metadata.Config{Instance: machine(), Accounts: metadata.ByPod(
		node{deaf: true, who: func(netip.Addr) (pods.Pod, bool) { return pods.Pod{}, false }},
		func(pods.Pod) (source.Account, error) { return good(), nil })})
	for _, path := range []string{tokenPath, "/computeMetadata/v1/instance/attributes/user-data", "/latest/meta-data/"} {
		w := askFrom(d, "10.0.0.5:1", "GET", path, flavour)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "cloud-config") {
			t.Errorf("%s: %d %v %q", path, w.Code, w.Header(), w.Body)
		}
	}
}

// A pod asks before the cluster has told of its address.
func TestPodThatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		born := time.Now().Add(2 * time.Second)
		d := door(t, metadata.Config{Instance: machine(), Accounts: metadata.ByPod(
			node{who: func(a netip.Addr) (pods.Pod, bool) {
				return pods.Pod{UID: "u"}, a.String() == "10.0.0.5" && !time.Now().Before(born)
			}},
			func(pods.Pod) (source.Account, error) { return good(), nil })})
		if w := askFrom(d, "10.0.0.5:1", "GET", tokenPath, flavour); w.Code != 200 {
			t.Errorf("a new pod: %d %s", w.Code, w.Body)
		}
		began := time.Now()
		if w := askFrom(d, "10.0.0.6:1", "GET", tokenPath, flavour); w.Code != 404 || time.Since(began) > 5*time.Second {
			t.Errorf("nobody's address: %d after %s", w.Code, time.Since(began))
		}
	})
}

// A connection is of the pod that it was at first: what has its address now is
// another one.
func TestConnectionOfAPodThatIsGone(t *testing.T) {
	var uid atomic.Value
	uid.Store("first")
	d := door(t, metadata.Config{Instance: machine(), Accounts: metadata.ByPod(
		node{who: func(netip.Addr) (pods.Pod, bool) { return pods.Pod{UID: uid.Load().(string)}, true }},
		func(p pods.Pod) (source.Account, error) {
			return &account{id: p.UID, token: "t1." + p.UID + ".x", life: time.Hour}, nil
		})})
	_, address := serve(t, d, metadata.ServerConfig{})
	var reused bool
	ask := func() (int, string) {
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}), "GET", "http://"+address+tokenPath, nil)
		r.Header.Set("Metadata-Flavor", "Google")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	for i, c := range []struct {
		uid    string
		reused bool
		status int
		want   string
	}{{"first", false, 200, "t1.first.x"}, {"first", true, 200, "t1.first.x"}, {"second", true, 503, ""}, {"second", false, 200, "t1.second.x"}} {
		uid.Store(c.uid)
		status, body := ask()
		if status != c.status || c.want != "" && !strings.Contains(body, c.want) || c.want == "" && strings.Contains(body, "t1.") || reused != c.reused {
			t.Errorf("request %d: %d %q, on the former connection: %t", i+1, status, body, reused)
		}
	}
}

func TestByPod(t *testing.T) { synctest.Test(t, byPod) } // it waits for what is new

func byPod(t *testing.T) {
	api := &account{id: "api", token: "t1.api.x", life: time.Hour}
	who := func(a netip.Addr) (pods.Pod, bool) {
		switch a.String() {
		case "10.0.0.5":
			return pods.Pod{Namespace: "shop", ServiceAccount: "api"}, true
		case "10.0.0.6":
			return pods.Pod{Namespace: "shop", ServiceAccount: "default"}, true
		}
		return pods.Pod{}, false
	}
	reg := prometheus.NewRegistry()
	d := door(t, metadata.Config{Instance: machine(), Metrics: metadata.NewMetrics(reg), Accounts: metadata.ByPod(node{who: who}, func(p pods.Pod) (source.Account, error) {
		if p.ServiceAccount == "api" {
			return api, nil
		}
		return nil, source.ErrNoAccount
	})})
	for client, want := range map[string]int{"10.0.0.5:1": 200, "10.0.0.6:1": 404, "10.0.0.7:1": 404} {
		if w := askFrom(d, client, "GET", tokenPath, flavour); w.Code != want {
			t.Errorf("%s: %d", client, w.Code)
		}
	}
	if w := askFrom(d, "10.0.0.6:1", "GET", "/computeMetadata/v1/instance/zone", flavour); w.Code != 200 {
		t.Errorf("a pod without an account asks for the zone: %d", w.Code)
	}
	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "outcome" {
					got[l.GetValue()] += m.GetCounter().GetValue()
				}
			}
		}
	}
	if diff := cmp.Diff(map[string]float64{"ok": 2, "no_account": 1, "unknown_client": 1}, got); diff != "" {
		t.Error(diff)
	}
}
