package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/propusk/propusk/internal/server"
)

// house is a running pair of doors with the health service behind them.
type house struct {
	*server.Doors
	ca     *server.DevCA
	served chan error
}

// openHouse serves pages until the test ends; change may alter the settings.
func openHouse(t *testing.T, plain, encrypted bool, pages http.HandlerFunc, change func(*server.Config), options ...grpc.ServerOption) *house {
	t.Helper()
	c := &server.Config{Data: t.TempDir(), HTTPListen: "127.0.0.1:0", GRPCListen: "127.0.0.1:0"}
	if change != nil {
		change(c)
	}
	c.SetDefaults()
	h := &house{served: make(chan error, 1)}
	var config *tls.Config
	if encrypted {
		h.ca = openCA(t, c.Data, time.Now)
		config = h.ca.TLSConfig()
	}
	doors, err := server.OpenDoors(t.Context(), c, config, plain && encrypted, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.Doors = doors
	calls := server.NewGRPCServer(c, options...)
	healthpb.RegisterHealthServer(server.Registrar(calls), health.NewServer())
	if pages == nil {
		pages = func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s tls=%v", r.Proto, r.TLS != nil) }
	}
	go func() { h.served <- doors.Serve(pages, calls) }()
	t.Cleanup(doors.Close)
	return h
}

func (h *house) trust(t *testing.T) *tls.Config {
	if h.ca == nil {
		return nil
	}
	return &tls.Config{RootCAs: rootsOf(t, h.ca)}
}

// get asks over one protocol of net/http, with or without TLS.
func (h *house) get(t *testing.T, protocol string, encrypted bool) string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: h.trust(t), Protocols: new(http.Protocols)}
	defer transport.CloseIdleConnections()
	scheme := "http"
	if encrypted {
		scheme = "https"
	}
	switch {
	case protocol == "HTTP/1.1":
		transport.Protocols.SetHTTP1(true)
	case encrypted:
		transport.Protocols.SetHTTP2(true)
	default:
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get(scheme + "://" + h.HTTPAddr() + "/")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return string(body)
}

func dialGRPC(t *testing.T, addr string, config *tls.Config) healthpb.HealthClient {
	t.Helper()
	creds := insecure.NewCredentials()
	if config != nil {
		creds = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return healthpb.NewHealthClient(conn)
}

func checkHealth(t *testing.T, addr string, config *tls.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := dialGRPC(t, addr, config).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil || answer.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health over gRPC at %s (TLS %v): %v, %v", addr, config != nil, answer, err)
	}
}

func TestDoorsSpeakEverything(t *testing.T) {
	for _, tt := range []struct{ plain, encrypted bool }{{true, false}, {false, true}, {true, true}} {
		t.Run(fmt.Sprintf("plain=%v,tls=%v", tt.plain, tt.encrypted), func(t *testing.T) {
			h := openHouse(t, tt.plain, tt.encrypted, nil, nil)
			if h.Encrypted() != tt.encrypted {
				t.Errorf("Encrypted() = %v", h.Encrypted())
			}
			var modes []bool
			if tt.plain {
				modes = append(modes, false)
			}
			if tt.encrypted {
				modes = append(modes, true)
			}
			for _, encrypted := range modes {
				for protocol, shown := range map[string]string{"HTTP/1.1": "HTTP/1.1", "h2": "HTTP/2.0"} {
					if got, want := h.get(t, protocol, encrypted), fmt.Sprintf("%s tls=%v", shown, encrypted); got != want {
						t.Errorf("%s, TLS %v: %q, want %q", protocol, encrypted, got, want)
					}
				}
				var config *tls.Config
				if encrypted {
					config = h.trust(t)
				}
				checkHealth(t, h.GRPCAddr(), config)
				checkHealth(t, h.HTTPAddr(), config)
			}
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-h.served; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDoorsRefuseBareListeners(t *testing.T) {
	c := &server.Config{HTTPListen: "0.0.0.0:0", GRPCListen: server.Off}
	c.SetDefaults()
	quiet := slog.New(slog.DiscardHandler)
	if d, err := server.OpenDoors(t.Context(), c, nil, false, quiet); err == nil {
		d.Close()
		t.Error("plaintext off loopback is served")
	}
	ca := openCA(t, t.TempDir(), time.Now)
	if d, err := server.OpenDoors(t.Context(), c, ca.TLSConfig(), true, quiet); err == nil {
		d.Close()
		t.Error("plaintext beside TLS off loopback is served")
	}
	d, err := server.OpenDoors(t.Context(), c, ca.TLSConfig(), false, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if d.GRPCAddr() != "" {
		t.Errorf("gRPC listener that is off: %s", d.GRPCAddr())
	}
	d.Close()
	c.BehindProxy = "nginx"
	if d, err = server.OpenDoors(t.Context(), c, nil, false, quiet); err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestGRPCWebIsNoGRPC(t *testing.T) {
	h := openHouse(t, true, false, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", r.Header.Get("Content-Type")) }, nil)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	for contentType, page := range map[string]bool{
		"application/grpc": false, "application/grpc+proto": false, "application/grpc;x=y": false,
		"application/grpc-web": true, "application/json": true, "": true,
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+h.HTTPAddr()+"/x", strings.NewReader("{}"))
		r.Header.Set("Content-Type", contentType)
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if got := strings.HasPrefix(string(body), "page"); got != page {
			t.Errorf("%q: page = %v, want %v", contentType, got, page)
		}
	}
}
