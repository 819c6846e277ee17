package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// idleTimeout is how long a transaction may stand still before the server ends
// it: a node that hangs must not hold the feed's row for ever.
const idleTimeout = 15 * time.Second

// prepareSession makes a new connection what the engine promises, whatever the
// server, the database and the role have for defaults.
func prepareSession(ctx context.Context, pc *pgx.Conn, statementTimeout time.Duration) error {
	_, err := pc.Exec(ctx, `SELECT set_config('statement_timeout', $1, false),
		set_config('idle_in_transaction_session_timeout', $2, false), set_config('lock_timeout', '0', false),
		set_config('client_encoding', 'UTF8', false), set_config('standard_conforming_strings', 'on', false),
		CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END`,
		pgx.QueryExecModeExec, milliseconds(statementTimeout), milliseconds(idleTimeout))
	return err
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

const warningKey = "propusk.warning"

// noteWarning keeps the last warning of a connection for whoever asks.
func noteWarning(pc *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		pc.CustomData()[warningKey] = n
	}
}

// takeWarning returns the last warning since it was asked before; nil when
// there was none.
func takeWarning(pc *pgconn.PgConn) *pgconn.Notice {
	n, _ := pc.CustomData()[warningKey].(*pgconn.Notice)
	delete(pc.CustomData(), warningKey)
	return n
}
