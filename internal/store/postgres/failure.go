package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/propusk/propusk/internal/iam"
)

// ErrOutcomeUnknown is what an Update's error wraps, beside UNAVAILABLE, when
// the connection was lost while the commit was under way: the change is either
// there as a whole or not at all, and only a look at the database tells.
var ErrOutcomeUnknown = errors.New("the outcome of the commit is unknown")

// Codes of errors: appendix A of the PostgreSQL manual.
const (
	codeUnique        = "23505"
	codeForeignKey    = "23503"
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeReadOnly      = "25006" // a standby, or a primary told to take no writes
	codeLockTimeout   = "55P03"
	codeLimit         = "54000" // of a NOTIFY: the queue is full
)

// failure is the class of what went wrong with a statement.
type failure int

const (
	failedItself failure = iota // the statement is at fault
	failedRace                  // another transaction came between: run again
	failedOrphan                // a foreign key leads nowhere: mostly a race too
	failedServer                // the server cannot do it at the moment
	failedLost                  // the connection is gone
)

func hasCode(err error, code string) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && p.Code == code
}

// classOf looks at an error of a connection that is closed by it or not.
func classOf(err error, closed bool) failure {
	var p *pgconn.PgError
	switch {
	case errors.As(err, &p):
	case errors.Is(err, context.DeadlineExceeded):
		return failedServer // it no longer answers
	case closed:
		return failedLost
	default:
		return failedItself
	}
	switch p.Code {
	case codeSerialization, codeDeadlock:
		return failedRace
	case codeForeignKey:
		return failedOrphan
	case codeReadOnly, codeLockTimeout:
		return failedServer
	}
	if p.SeverityUnlocalized == "FATAL" || p.SeverityUnlocalized == "PANIC" {
		return failedLost
	}
	for _, class := range []string{"08", "53", "57", "58"} { // connection, resources, operator, system
		if strings.HasPrefix(p.Code, class) {
			return failedServer
		}
	}
	return failedItself
}

// retryAfter is what a caller is told to wait while the database is away.
const retryAfter = time.Second

func unavailable(cause error) error {
	e := iam.Wrap(cause, iam.Unavailable, "The database cannot be reached at the moment")
	e.RetryAfter = retryAfter
	return e
}

func unknownOutcome(cause error) error {
	return iam.Wrap(errors.Join(ErrOutcomeUnknown, cause), iam.Unavailable,
		"The connection to the database was lost while the change was being committed: it was made as a whole or not at all")
}

// verdict is the error of a transaction that was not committed: what its
// function returned, unless the caller has gone or the database is at fault.
func (c *conn) verdict(returned error) error {
	if c.first == nil {
		return returned
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	switch c.class {
	case failedRace, failedServer, failedLost:
		return unavailable(c.first)
	}
	return returned
}
