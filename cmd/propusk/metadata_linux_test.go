package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/token"
)

// cluster is a Kubernetes API with one pod at 127.0.0.1, whose service account is
// annotated.
func cluster(t *testing.T, annotation string) *httptest.Server {
	t.Helper()
	lists := map[string]string{
		"/api/v1/pods": `[{"metadata":{"namespace":"shop","name":"cart-1","uid":"u"},"spec":{"nodeName":"node-1","serviceAccountName":"cart"},
			"status":{"phase":"Running","podIP":"127.0.0.1","podIPs":[{"ip":"127.0.0.1"}]}}]`,
		"/api/v1/serviceaccounts": `[{"metadata":{"namespace":"shop","name":"cart","annotations":{"yandex.cloud/federated-yc-service-account-id":"` + annotation + `"}}}]`,
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "" {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		fmt.Fprintf(w, `{"metadata":{"resourceVersion":"1"},"items":%s}`, lists[r.URL.Path])
	}))
	t.Cleanup(func() { api.CloseClientConnections(); api.Close() })
	return api
}

// runSettings runs `propusk metadata` in this process with a file's text, and
// returns the address of its one listener.
func runSettings(t *testing.T, text string) string {
	t.Helper()
	s, err := metadata.ParseSettings("file.yaml", []byte(text))
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m, err := openMetadata(ctx, &metadataSettings{Settings: s}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- m.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		m.close()
	})
	return m.servers[0].Addr()
}

func at(t *testing.T, address, path string) *http.Response {
	t.Helper()
	r, _ := http.NewRequest("GET", "http://"+address+"/computeMetadata/v1/"+path, nil)
	r.Header.Set("Metadata-Flavor", "Google")
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// subjectAt is whose token the address gives, or the status without one.
func subjectAt(t *testing.T, address string) string {
	t.Helper()
	answer := at(t, address, "instance/service-accounts/default/token")
	var got struct {
		Token string `json:"access_token"`
	}
	if answer.StatusCode != http.StatusOK || json.NewDecoder(answer.Body).Decode(&got) != nil {
		return answer.Status
	}
	claims, err := token.ParseUnverified(got.Token)
	if err != nil {
		t.Fatal(err)
	}
	return claims.SubjectID
}

func TestMetadataByPod(t *testing.T) {
	p := startDev(t, t.TempDir())
	robot := p.env(t)["SERVICE_ACCOUNT_ID"]
	admin := readKey(t, p.cmd.Dir, "d", "admin-key.json")
	file := func(annotation, pods string) string {
		return strings.NewReplacer("GRPC", p.grpc, "FOLDER", filepath.Join(p.cmd.Dir, "d"), "API", cluster(t, annotation).URL, "PODS", pods).Replace(`
endpoint: GRPC
plaintext: true
trusted-interfaces: [lo]
kubernetes: {node: node-1, server: "API"}
accounts:
  robot: {service-account-key-file: FOLDER/key.json}
  admin: {service-account-key-file: FOLDER/admin-key.json}
listeners: [{listen: "127.0.0.1:0", interfaces: [lo], PODS}]`)
	}
	for name, c := range map[string]struct{ annotation, pods, want string }{
		"by name":                {"", "accounts-by-pod: {shop/cart: robot}", robot},
		"none by name":           {robot, "accounts-by-pod: {shop/cart: none}, annotated-pods: {account: admin, namespaces: [shop]}", "404 Not Found"},
		"by annotation":          {robot, "annotated-pods: {account: admin, namespaces: [shop]}", robot},
		"not in this namespace":  {robot, "annotated-pods: {account: admin, namespaces: [other]}", "404 Not Found"},
		"not annotated":          {"", "annotated-pods: {account: admin, namespaces: [shop]}", "404 Not Found"},
		"nobody's id":            {"aje00000000000000000", "annotated-pods: {account: admin, namespaces: [shop]}", "404 Not Found"},
		"one who may not be":     {admin.ServiceAccountID, "annotated-pods: {account: robot, namespaces: [shop]}", "404 Not Found"},
		"another pod's":          {robot, "accounts-by-pod: {shop/other: robot}", "404 Not Found"},
		"another namespace's":    {robot, "accounts-by-pod: {other/cart: robot}", "404 Not Found"},
		"no id":                  {strings.Repeat("a", 51), "annotated-pods: {account: admin, namespaces: [shop]}", "404 Not Found"},
		"by name before any tag": {admin.ServiceAccountID, "accounts-by-pod: {shop/cart: robot}, annotated-pods: {account: admin, namespaces: [shop]}", robot},
	} {
		t.Run(name, func(t *testing.T) {
			address := runSettings(t, file(c.annotation, c.pods))
			// Until the pods are known, everything is 503.
			for end := time.Now().Add(10 * time.Second); at(t, address, "").StatusCode != http.StatusOK; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the pod is not known")
				}
			}
			got := subjectAt(t, address)
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
