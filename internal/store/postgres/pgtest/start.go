package pgtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	errPortTaken = errors.New("the port is taken")
	errNoServer  = errors.New("no PostgreSQL server programs (Debian: apt-get install postgresql)")
)

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

func start(settings ...string) (_ *Server, err error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "propusk-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, data: filepath.Join(folder, "data"), User: "owner", Password: rand.Text() + "/?#@:%'"}
	s.schemas = sync.OnceValues(s.makeDatabase)
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	secret := filepath.Join(folder, "password")
	if err := os.WriteFile(secret, []byte(s.Password), 0o644); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		if err := giveTo("postgres", folder); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoServer, err)
		}
	}
	out, err := unprivileged(initdb, "--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256",
		"--username="+s.User, "--pwfile="+secret, "--pgdata="+s.data).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := s.configure(settings); err != nil {
		return nil, err
	}
	for range 5 { // another may take the port that was free
		if s.Port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.run(); !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
	return nil, err
}

func (s *Server) configure(settings []string) error {
	settings = append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=150",
		"shared_buffers=32MB", "autovacuum=off"}, settings...)
	var conf strings.Builder
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		conf.WriteString(name + " = '" + value + "'\n")
	}
	return os.WriteFile(filepath.Join(s.data, "postgresql.auto.conf"), []byte(conf.String()), 0o644)
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

// Start runs a server again that Stop has stopped, on its port.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// wrapper reads until our end of its input closes, by our will or by our end.
// It then stops the server at once and, unless we are still there to say that
// its data stays, removes what it has kept.
const wrapper = `"$@" & child=$!; read -r word; kill -QUIT $child; wait $child; [ "$word" = keep ] || rm -rf "$0"`

// run starts the server and waits until it answers.
func (s *Server) run() error {
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := unprivileged("/bin/sh", "-c", wrapper, s.folder, postgres, "-D", s.data, "-p", strconv.Itoa(s.Port))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, log, log
	if err := cmd.Start(); err != nil {
		return errors.Join(err, write.Close())
	}
	s.wrapper, s.leash = cmd, write
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = s.Ask("postgres", `SELECT 1`); err == nil {
			return nil
		}
		text, _ := os.ReadFile(log.Name())
		switch {
		case strings.Contains(string(text), "could not create any TCP/IP sockets"):
			err = errPortTaken
		case time.Now().Before(deadline):
			continue
		}
		s.Stop()
		return fmt.Errorf("PostgreSQL does not start: %w\n%s", err, text)
	}
}

// Stop is what `pg_ctl stop -m immediate` does: the server and all who serve
// in it end at once, and the next start recovers from the log.
func (s *Server) Stop() {
	if s.wrapper != nil {
		_, _ = s.leash.WriteString("keep\n")
		_ = s.leash.Close()
		_ = s.wrapper.Wait()
		s.wrapper = nil
	}
}

func (s *Server) remove() {
	s.Stop()
	_ = os.RemoveAll(s.folder)
}
