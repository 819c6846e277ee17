package server_test

import (
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/server"
)

var update = flag.Bool("update", false, "write generated parts of documents anew")

// configFile writes a settings file and returns its path.
func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "propusk.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func problemsOf(t *testing.T, err error) []string {
	t.Helper()
	var c *server.ConfigError
	if !errors.As(err, &c) {
		t.Fatalf("error = %v, want a *ConfigError", err)
	}
	return c.Problems
}

func TestConfigDefaults(t *testing.T) {
	got, err := server.Load(server.LoadOptions{Args: []string{"--data", "d"}})
	if err != nil {
		t.Fatal(err)
	}
	want := &server.Config{
		Data: "d", HTTPListen: "127.0.0.1:8080", GRPCListen: "127.0.0.1:4430", AccessListen: "127.0.0.1:4286", DebugListen: "127.0.0.1:9090",
		ClockSkew: time.Minute, SessionIdle: 12 * time.Hour, SessionLife: 7 * 24 * time.Hour, RotateEvery: 30 * 24 * time.Hour, AuditTokens: "durable", LogFormat: "text", SignUp: "off", SMTP: server.SMTP{TLS: "starttls"},
		CacheBytes: 64 << 20, MaxConnections: 10000, MaxStreams: 250, MaxHeaderBytes: 64 << 10,
		HandshakeTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, ShutdownTimeout: 15 * time.Second,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	zero := &server.Config{Data: "d"}
	zero.SetDefaults()
	if d := cmp.Diff(got, zero); d != "" {
		t.Errorf("a zero Config is not the default one:\n%s", d)
	}
	if err := zero.Check(false); err != nil {
		t.Error(err)
	}
}

func TestConfigPrecedence(t *testing.T) {
	file := configFile(t, `
data: from-file
http-listen: 127.0.0.1:1
grpc-listen: 127.0.0.1:1
debug-listen: "off"
audience: [a, b]
endpoints: {storage: "127.0.0.1:9000", ydb: "127.0.0.1:2135"}
master-key:
  file: /run/key
trusted-proxies:
  - 10.0.0.0/8
cache-bytes: 1GiB
log-level: debug
strict-audience: true
`)
	got, err := server.Load(server.LoadOptions{
		Args:    []string{"--config", file, "--http-listen=127.0.0.1:3", "--audience", "c", "--audience=d", "--strict-audience=false", "--pprof", "--debug-listen", "127.0.0.1:0"},
		Environ: []string{"PROPUSK_HTTP_LISTEN=127.0.0.1:2", "PROPUSK_GRPC_LISTEN=127.0.0.1:2", "PROPUSK_TRUSTED_PROXIES=10.1.0.0/16, ::1", "HOME=/root", "PROPUSK_MASTER_KEY_FILE=/run/other"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &server.Config{
		Data: "from-file", HTTPListen: "127.0.0.1:3", GRPCListen: "127.0.0.1:2", DebugListen: "127.0.0.1:0", PProf: true,
		Audience: []string{"c", "d"}, Endpoints: map[string]string{"storage": "127.0.0.1:9000", "ydb": "127.0.0.1:2135"},
		MasterKey: server.MasterKey{File: "/run/other"}, TrustedProxies: []string{"10.1.0.0/16", "::1"},
		CacheBytes: 1 << 30, LogLevel: slog.LevelDebug,
	}
	want.SetDefaults()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestConfigReportsEverythingAtOnce(t *testing.T) {
	file := configFile(t, `htp-listen: 127.0.0.1:1
clock-skew: 60
master-key:
  fil: /x
  env: "my key is hunter2"
audience: {a: b}
data: one
data: two
audit-tokens: sometimes
`)
	_, err := server.Load(server.LoadOptions{
		Args:    []string{"--config", file, "--nope", "x", "--grpc-listen", "0.0.0.0:4430", "stray", "--tls-cert", "c.pem", "--also-nope=1", "--rotate-every", "0s"},
		Environ: []string{"PROPUSK_DATE=secret", "PROPUSK_LOG_LEVEL=loud"},
	})
	got := strings.Join(problemsOf(t, err), "\n")
	for _, want := range []string{
		`:1: "htp-listen": no such setting (did you mean http-listen?)`,
		`:2: clock-skew: "60" is not a duration such as`,
		`:4: "master-key.fil": no such setting (did you mean master-key.file?)`,
		`:5: master-key.env: is not the name of an environment variable`,
		`:6: "audience": must be a list`,
		`:8: "data": given twice`,
		`:9: audit-tokens: "sometimes" is neither "durable" nor "buffered"`,
		`flag provided but not defined: -nope`,
		`flag provided but not defined: -also-nope`,
		`unexpected argument "stray"`,
		`--grpc-listen: 0.0.0.0:4430 is reachable from other machines and has no TLS`,
		`--tls-cert: tls-cert and tls-key go together`,
		`--rotate-every: "0s" is not above zero`,
		`PROPUSK_DATE: no such setting (did you mean PROPUSK_DATA?)`,
		`PROPUSK_LOG_LEVEL: "loud" is none of`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no problem says %q", want)
		}
	}
	if n := len(problemsOf(t, err)); n != 15 {
		t.Errorf("%d problems:\n%s", n, got)
	}
	for _, secret := range []string{"hunter2", "secret"} {
		if strings.Contains(got, secret) {
			t.Errorf("a problem shows the value %q", secret)
		}
	}
}

func TestConfigEnvironmentOfOthers(t *testing.T) {
	environ := []string{
		// What Kubernetes puts beside a Service "propusk" and one "propusk-http".
		"PROPUSK_SERVICE_HOST=10.0.0.1", "PROPUSK_SERVICE_PORT=443", "PROPUSK_SERVICE_PORT_GRPC=4430", "PROPUSK_PORT=tcp://10.0.0.1:443",
		"PROPUSK_PORT_443_TCP=tcp://10.0.0.1:443", "PROPUSK_PORT_443_TCP_ADDR=10.0.0.1", "PROPUSK_HTTP_SERVICE_HOST=10.0.0.1", "PROPUSK_HTTP_PORT_80_TCP_PROTO=tcp",
		"PROPUSK_MASTER=the key itself", "PROPUSK_PROFILE=default",
	}
	c, err := server.Load(server.LoadOptions{
		Args: []string{"--data=d", "--master-key-env=PROPUSK_MASTER"}, Environ: environ, OwnEnv: []string{"PROPUSK_PROFILE"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.MasterKey.Env != "PROPUSK_MASTER" {
		t.Errorf("master-key-env = %q", c.MasterKey.Env)
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, tt := range []struct{ name, args, want string }{
		{"no data", "", "data: a folder must be named"},
		{"all interfaces", "--data=d --http-listen=:8080", "--http-listen: :8080 is reachable"},
		{"a name may lead anywhere", "--data=d --http-listen=example.com:8080", "is reachable"},
		{"http cannot be off", "--data=d --http-listen=off", `--http-listen: "off" is not host:port`},
		{"port too large", "--data=d --http-listen=127.0.0.1:65536", "no valid port"},
		{"pprof off loopback", "--data=d --pprof --debug-listen=0.0.0.0:9090", "--pprof: needs debug-listen on loopback"},
		{"proxy", "--data=d --trusted-proxies=10.0.0.1/8", "10.0.0.0/8 is meant?"},
		{"skew", "--data=d --clock-skew=6m", "--clock-skew: at most 5m"},
		{"plain public url", "--data=d --public-url=http://iam.example.com", "must be https"},
		{"public url with a path", "--data=d --public-url=https://iam.example.com/x", "scheme, host and port alone"},
		{"public url without scheme", "--data=d --public-url=iam.example.com", "is not a URL"},
		{"public url in other letters", "--data=d --public-url=https://вход.example", "in ASCII"},
		{"public url with a dot", "--data=d --public-url=https://iam.example.com.", "without a dot"},
		{"api host as URL", "--data=d --api-host=https://x", "is not a host name"},
		{"endpoint without port", "--data=d --endpoints=storage=127.0.0.1", "is not host:port"},
		{"endpoint twice", "--data=d --endpoints=a=h:1 --endpoints=a=h:2", `"a" is given twice`},
		{"two master keys", "--data=d --master-key-file=f --master-key-env=E", "exclude each other"},
		{"twice", "--data=d --data=e", "--data: given twice"},
		{"headers", "--data=d --max-header-bytes=1KiB", "between 4KiB and 1MiB"},
		{"number", "--data=d --max-connections=-1", "not a whole number above zero"},
		{"boolean", "--data=d --strict-audience=yes", "neither true nor false"},
		{"no file", "--data=d --config=/does/not/exist", "config file: open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := server.Load(server.LoadOptions{Args: strings.Fields(tt.args)})
			got := problemsOf(t, err)
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("problems = %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestConfigAccepts(t *testing.T) {
	for _, args := range []string{
		"--data=d --http-listen=:443 --tls-cert=c --tls-key=k --grpc-listen=off",
		"--data=d --http-listen=[::1]:0 --grpc-listen=localhost:0",
		"--data=d --http-listen=0.0.0.0:80 --grpc-listen=0.0.0.0:81 --behind-proxy=nginx --trusted-proxies=10.0.0.1",
		"--data=d --public-url=http://localhost:8080/ --api-host=api.example.com:8443",
		"--data=d --debug-listen=0.0.0.0:9090",
	} {
		if _, err := server.Load(server.LoadOptions{Args: strings.Fields(args)}); err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestConfigOfDev(t *testing.T) {
	c, err := server.Load(server.LoadOptions{Dev: true})
	if err != nil || c.Data != server.DevData {
		t.Fatalf("dev without settings: %+v, %v", c, err)
	}
	// TLS does not help: dev takes plaintext on the same port.
	_, err = server.Load(server.LoadOptions{Dev: true, Args: []string{"--http-listen=0.0.0.0:1", "--tls-cert=c", "--tls-key=k"}})
	if got := problemsOf(t, err); len(got) != 2 || !strings.Contains(got[0], "certificate of its own") || !strings.Contains(got[1], "`dev` speaks plaintext") {
		t.Errorf("problems = %q", got)
	}
	if _, err := server.Load(server.LoadOptions{Dev: true, Args: []string{"--http-listen=0.0.0.0:1", "--behind-proxy=docker, published on loopback"}}); err != nil {
		t.Error(err)
	}
}
