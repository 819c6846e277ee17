// Package pgtest gives tests a PostgreSQL of their own: Debian's package, run in
// a temporary folder on a free loopback port, gone when the tests have ended in
// whatever way. Without the package a test is skipped, under CI it fails.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running PostgreSQL.
type Server struct {
	Port           int    // on 127.0.0.1
	User, Password string // of the superuser

	folder, data string
	wrapper      *exec.Cmd
	leash        *os.File
	databases    atomic.Int64
	schemas      func() (string, error) // the database of Schema
}

var shared = sync.OnceValues(func() (*Server, error) { return start("fsync=off", "deadlock_timeout=100ms") })

// Shared returns the server that the tests of one program share. It does not
// sync to disk, and finds deadlocks after 100 ms.
func Shared(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	return orSkip(t, s, err)
}

// Own starts a server for one test, with settings of the form name=value. It
// syncs to disk unless they say otherwise.
func Own(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := start(settings...)
	if err == nil {
		t.Cleanup(s.remove)
	}
	return orSkip(t, s, err)
}

func orSkip(t testing.TB, s *Server, err error) *Server {
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

// URL leads to a database, as the superuser.
func (s *Server) URL(database string) string {
	return s.URLAt("127.0.0.1:"+strconv.Itoa(s.Port), database)
}

// URLAt is URL by another address, that of something in between.
func (s *Server) URLAt(address, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(s.User, s.Password), Host: address, Path: database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Ask runs statements on a connection of their own.
func (s *Server) Ask(database string, statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL(database))
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

// Database makes an empty database, of a collation that is not that of bytes,
// and returns its name. It goes with the server.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name, err := s.makeDatabase()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func (s *Server) makeDatabase() (string, error) {
	name := fmt.Sprintf("t%d", s.databases.Add(1))
	return name, s.Ask("postgres", `CREATE DATABASE `+name+` TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'`)
}

// Schema makes an empty schema in a database that all share, which takes less
// time than a database, and returns a URL that leads to it.
func (s *Server) Schema(t testing.TB) string {
	t.Helper()
	database, err := s.schemas()
	name := fmt.Sprintf("s%d", s.databases.Add(1))
	if err == nil {
		err = s.Ask(database, `CREATE SCHEMA `+name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.URL(database) + "&search_path=" + name
}

// Hold runs a statement in a transaction, in what a URL leads to, and keeps the
// locks that it has taken until release is called or the test ends.
func Hold(t testing.TB, url, statement string) (release func()) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = c.Close(ctx) }) // which takes the transaction back
	t.Cleanup(release)
	for _, s := range []string{`BEGIN`, statement} {
		if _, err := c.Exec(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	return release
}

// Look asks for one value, on a connection of its own.
func (s *Server) Look(database, query string, into *string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return c.QueryRow(ctx, query).Scan(into)
}
