package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is a PostgreSQL of the tests' own, in a temporary folder on a free
// loopback port. Its wrapper stops it when this process ends in whatever way.
type server struct {
	folder, data string
	port         int
	superuser    string
	password     string
	wrapper      *exec.Cmd
	leash        *os.File
	databases    atomic.Int64
	schemas      string // the database of schema
}

var (
	sharedOnce   sync.Once
	sharedServer *server
	errShared    error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if sharedServer != nil {
		sharedServer.remove()
	}
	os.Exit(code)
}

// shared returns the server that most tests use. It does not sync to disk: the
// tests that need that start their own.
func shared(t testing.TB) *server {
	t.Helper()
	sharedOnce.Do(func() { sharedServer, errShared = startServer("fsync=off", "deadlock_timeout=100ms") })
	return orSkip(t, sharedServer, errShared)
}

func ownServer(t testing.TB, settings ...string) *server {
	t.Helper()
	s, err := startServer(settings...)
	if err == nil {
		t.Cleanup(s.remove)
	}
	return orSkip(t, s, err)
}

var errPortTaken = errors.New("the port is taken")

var errNoServer = errors.New("no PostgreSQL server programs (Debian: apt-get install postgresql)")

func orSkip(t testing.TB, s *server, err error) *server {
	t.Helper()
	switch {
	case err == nil:
		return s
	case errors.Is(err, errNoServer) && os.Getenv("CI") != "true":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
	return nil
}

// program finds a program of the server: in PATH, or the newest of those that
// Debian keeps side by side.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.EvalSymlinks(path) // beside it stand the others
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	sort.Slice(found, func(i, j int) bool { return versionIn(found[i]) < versionIn(found[j]) })
	if len(found) == 0 {
		return "", errNoServer
	}
	return found[len(found)-1], nil
}

func versionIn(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// unprivileged makes a command run as another user when we are root, as whom
// PostgreSQL refuses to run.
func unprivileged(name string, args ...string) *exec.Cmd {
	if os.Getuid() == 0 {
		args = append([]string{"--reuid=postgres", "--regid=postgres", "--clear-groups", "--", name}, args...)
		name = "setpriv"
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	return cmd
}

func startServer(settings ...string) (_ *server, err error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "propusk-postgres-")
	if err != nil {
		return nil, err
	}
	s := &server{folder: folder, data: filepath.Join(folder, "data"), superuser: "owner", password: rand.Text() + "/?#@:%'"}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	secret := filepath.Join(folder, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o644); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		if err := giveTo("postgres", folder); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoServer, err)
		}
	}
	out, err := unprivileged(initdb, "--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256",
		"--username="+s.superuser, "--pwfile="+secret, "--pgdata="+s.data).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	settings = append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=150",
		"shared_buffers=32MB", "autovacuum=off"}, settings...)
	conf := ""
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		conf += name + " = '" + value + "'\n"
	}
	if err := os.WriteFile(filepath.Join(s.data, "postgresql.auto.conf"), []byte(conf), 0o644); err != nil {
		return nil, err
	}
	for range 5 { // another may take the port that was free
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.start(); !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
	return nil, err
}

func giveTo(name, path string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, -1)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// start runs the server and waits until it answers. The wrapper reads until
// our end of its input closes, and then stops the server at once.
func (s *server) start() error {
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	const wrapper = `"$@" & child=$!; read -r _; kill -QUIT $child; wait $child`
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := unprivileged("/bin/sh", "-c", wrapper, "sh", postgres, "-D", s.data, "-p", strconv.Itoa(s.port))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, log, log
	if err := cmd.Start(); err != nil {
		return errors.Join(err, write.Close())
	}
	s.wrapper, s.leash = cmd, write
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = s.ask("postgres", `SELECT 1`); err == nil {
			return nil
		}
		text, _ := os.ReadFile(log.Name())
		switch {
		case strings.Contains(string(text), "could not create any TCP/IP sockets"):
			err = errPortTaken
		case time.Now().Before(deadline):
			continue
		}
		s.stop()
		return fmt.Errorf("PostgreSQL does not start: %w\n%s", err, text)
	}
}

// stop is what `pg_ctl stop -m immediate` does: the server and all who serve
// in it end at once, and the next start recovers from the log.
func (s *server) stop() {
	if s.wrapper != nil {
		_ = s.leash.Close()
		_ = s.wrapper.Wait()
		s.wrapper = nil
	}
}

func (s *server) remove() {
	s.stop()
	_ = os.RemoveAll(s.folder)
}

func (s *server) url(database string) string {
	return s.urlAt("127.0.0.1:"+strconv.Itoa(s.port), database)
}

func (s *server) urlAt(address, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(s.superuser, s.password), Host: address, Path: database, RawQuery: "sslmode=disable"}
	return u.String()
}

// ask runs statements on a connection of their own, past the engine.
func (s *server) ask(database string, statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url(database))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, statement := range statements {
		if _, err := c.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// database makes an empty database, of a collation that is not that of bytes,
// and returns its name.
func (s *server) database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("t%d", s.databases.Add(1))
	if err := s.ask("postgres", `CREATE DATABASE `+name+` TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'`); err != nil {
		t.Fatal(err)
	}
	return name // it goes with the server
}

// schema makes an empty schema in one such database, which takes less time
// than a database, and returns a URL that leads to it.
func (s *server) schema(t testing.TB) string {
	t.Helper()
	if s.schemas == "" {
		s.schemas = s.database(t)
	}
	name := fmt.Sprintf("s%d", s.databases.Add(1))
	if err := s.ask(s.schemas, `CREATE SCHEMA `+name); err != nil {
		t.Fatal(err)
	}
	return s.url(s.schemas) + "&search_path=" + name
}
