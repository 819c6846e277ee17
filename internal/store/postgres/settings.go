package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	defaultPoolSize         = 16
	minPoolSize             = 2 // a view beside an update
	defaultConnectTimeout   = 5 * time.Second
	defaultStatementTimeout = 30 * time.Second
)

func (c Config) statementTimeout() time.Duration {
	if c.StatementTimeout > 0 {
		return c.StatementTimeout
	}
	return defaultStatementTimeout
}

// poolSettings reads the URL. Its errors tell what is wrong with it, never what
// is in it that might be secret.
func (c Config) poolSettings() (*pgxpool.Config, error) {
	text := c.URL.Reveal()
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return nil, errors.New("a database URL begins with postgres://")
	}
	// net/url shows the text it cannot read, so its error is not passed on. A
	// stray @ is refused because others would take what is before or behind it,
	// a part of the password perhaps, for a host or a database and show it.
	u, err := url.Parse(text)
	if err != nil || strings.Count(text, "@") > 1 || strings.Contains(text, "@") && u.User == nil {
		return nil, errors.New("the database URL is malformed: special characters in the user, the password and the database must be percent-encoded")
	}
	settings, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be used: %s", c.reason(u, err))
	}
	query := u.Query()
	switch {
	case c.PoolSize > 0:
		settings.MaxConns = int32(min(c.PoolSize, 10_000))
	case !query.Has("pool_max_conns"):
		settings.MaxConns = defaultPoolSize
	}
	settings.MaxConns = max(settings.MaxConns, minPoolSize)
	switch {
	case c.ConnectTimeout > 0:
		settings.ConnConfig.ConnectTimeout = c.ConnectTimeout
	case !query.Has("connect_timeout"):
		settings.ConnConfig.ConnectTimeout = defaultConnectTimeout
	}
	if settings.ConnConfig.ValidateConnect == nil {
		// After a failover one of the hosts may still run as a standby.
		settings.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if settings.ConnConfig.RuntimeParams["application_name"] == "" {
		settings.ConnConfig.RuntimeParams["application_name"] = "propusk"
	}
	return settings, nil
}

// reason is what the driver says of a URL, unless that might show a secret:
// it quotes the URL and masks the password only where it finds it.
func (c Config) reason(u *url.URL, err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	password, _ := u.User.Password()
	secrets := []string{c.URL.Reveal(), u.Redacted(), u.RawQuery, password, u.User.String(), u.Query().Get("password"), u.Query().Get("sslpassword")}
	for _, s := range secrets {
		if s != "" && strings.Contains(err.Error(), s) {
			return "one of its parameters is not understood"
		}
	}
	return err.Error()
}
