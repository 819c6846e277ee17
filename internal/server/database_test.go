package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/server"
)

func TestDatabaseURLHidesPasswords(t *testing.T) {
	for url, want := range map[string]string{
		"": "",
		"postgres://iam:hunter2@db:5432/propusk?sslmode=verify-full":                   "postgres://iam:***@db:5432/propusk?sslmode=verify-full",
		"postgresql://iam@db/propusk":                                                  "postgresql://iam@db/propusk",
		"postgres://db/propusk?user=iam&password=hunter2&sslpassword=hunter2&sslkey=k": "postgres://db/propusk?password=***&sslkey=k&sslpassword=***&user=iam",
		"postgres://iam:hunter2@a,b:5433/propusk?target_session_attrs=read-write":      "postgres://iam:***@a,b:5433/propusk?target_session_attrs=read-write",
		"postgres:///propusk?host=/run/postgresql":                                     "postgres:///propusk?host=%2Frun%2Fpostgresql",
		// What cannot be told from a password is not shown.
		"postgres://iam:hunter2%zz@db/propusk":        "postgres://***",
		"postgres://iam:hun@ter2@db/propusk":          "postgres://***",
		"postgres://iam:hunter2/x@db/propusk":         "postgres://***",
		"postgres://db/propusk?password=hunter2;a=%z": "postgres://***",
		"host=db password=hunter2":                    "postgres://***",
	} {
		d := server.DatabaseURL(url)
		if got := d.String(); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
		text, err := json.Marshal(server.Config{Database: d})
		if err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%v %+v %#v %q %x %s", d, server.Config{Database: d}, d, d, d, text)
		if strings.Contains(shown, "hunter2") {
			t.Errorf("%s is shown in %s", url, shown)
		}
	}
}

func TestDatabaseMustBePostgres(t *testing.T) {
	for _, url := range []string{"mysql://iam:hunter2@db/x", "host=db password=hunter2", "hunter2"} {
		cfg := server.Config{Data: "d", Database: server.DatabaseURL(url)}
		cfg.SetDefaults()
		err := cfg.Check(false)
		if err == nil || !strings.Contains(err.Error(), "database: must begin with postgres://") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
