package postgres_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// TestPasswordIsNotShown: whatever is wrong with a URL or with the server, the
// password is in no error.
func TestPasswordIsNotShown(t *testing.T) {
	const password = "hunter2"
	for name, text := range map[string]string{
		"no scheme":         "user:hunter2@host/db",
		"another scheme":    "mysql://user:hunter2@host/db",
		"keywords":          "host=h password=hunter2",
		"empty":             "",
		"bad escape":        "postgres://user:hunter2%zz@host/db",
		"bad port":          "postgres://user:hunter2@host:port/db",
		"unescaped slash":   "postgres://user:hunter2/x@host/db",
		"unescaped hash":    "postgres://user:x#hunter2@host:99999/db",
		"space":             "postgres://user:hunter2 x@host/db",
		"unescaped at":      "postgres://user:x@hunter2@127.0.0.1:1/db",
		"slash like a port": "postgres://127.0.0.1:1/hunter2@host/db",
		"query like a port": "postgres://127.0.0.1:1?application_name=hunter2@host/db",
		"hash like a port":  "postgres://127.0.0.1:1#hunter2@host/db",
		"control":           "postgres://user:hunter2\x01@host/db",
		"sslmode":           "postgres://user:hunter2@host/db?sslmode=perhaps",
		"pool":              "postgres://user:hunter2@host/db?pool_max_conns=hunter2",
		"password as query": "postgres://user@host:1x/db?password=hunter2",
		"no such file":      "postgres://user:hunter2@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/none",
		"nobody there":      "postgres://user:hunter2@127.0.0.1:1/db?sslmode=disable",
		"timeout":           "postgres://user:hunter2@host/db?connect_timeout=hunter2",
	} {
		t.Run(name, func(t *testing.T) {
			e, err := postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(text)})
			if err == nil {
				e.Close()
				t.Fatal("it was opened")
			}
			if shown := fmt.Sprintf("%v %+v %#v", err, err, err.Error()); strings.Contains(shown, password) {
				t.Errorf("the error shows the password: %s", shown)
			}
			t.Log(err)
			if want := name == "nobody there"; want != (iam.KindOf(err) == iam.Unavailable) {
				t.Errorf("kind %v", iam.KindOf(err))
			}
		})
	}
}

func TestPasswordIsNotShownByAServer(t *testing.T) {
	s := pgtest.Shared(t)
	name := s.Database(t)
	u, err := url.Parse(s.URL(name))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(s.User, "hunter2")
	config := postgres.Config{URL: iam.NewSecret(u.String())}
	_, err = postgres.Open(t.Context(), config)
	if iam.KindOf(err) != iam.Unavailable || strings.Contains(fmt.Sprintf("%+v", err), "hunter2") {
		t.Errorf("a wrong password: %v", err)
	}
	e := open(t, s.URL(name))
	defer e.Close()
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "config", config, "engine", e)
	shown := log.String() + fmt.Sprintf("%v %+v %#v %v %+v %#v", config, config, config, e, e, e)
	if strings.Contains(shown, "hunter2") || strings.Contains(shown, s.Password) {
		t.Errorf("shown: %s", shown)
	}
	if err := e.View(t.Context(), func(c store.Conn) error { _, err := c.Query(`SELECT * FROM nothing`); return err }); err == nil ||
		strings.Contains(err.Error(), s.Password) {
		t.Errorf("error %v", err)
	}
}

// TestTextThatCannotBeStored: PostgreSQL holds no zero character and nothing
// but UTF-8. It is the caller's fault, and known before the server is asked.
func TestTextThatCannotBeStored(t *testing.T) {
	dbs, _ := cluster(t, pgtest.Shared(t), 1)
	for _, text := range []string{"a\x00b", "\xff"} {
		if err := dbs[0].View(t.Context(), func(tx *store.Tx) error { _, err := store.GetKey(tx, text); return err }); iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%q sought: %v", text, err)
		}
		if err := dbs[0].Update(t.Context(), insertFolder(text)); iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%q stored: %v", text, err)
		}
	}
}
