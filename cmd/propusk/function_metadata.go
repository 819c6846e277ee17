package main

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/propusk/propusk/internal/cli"
	"github.com/propusk/propusk/internal/function"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/metadata/source"
)

// functionAccount is a function's service account, whose token its context and
// its metadata address hand out. It implements source.Account.
type functionAccount struct {
	id     string
	log    *function.Logbook
	tokens *function.Tokens
}

func newFunctionAccount(id string, caller *cli.Caller, timeout time.Duration, log *function.Logbook) *functionAccount {
	return &functionAccount{id, log, &function.Tokens{
		Make:    func(ctx context.Context) (iamclient.Token, error) { return caller.TokenFor(ctx, id) },
		Now:     time.Now,
		AtLeast: max(timeout, time.Second),
	}}
}

// ServiceAccountID implements source.Account.
func (a *functionAccount) ServiceAccountID() string { return a.id }

// Token implements source.Account. What IAM says is for the person at the
// keyboard and not for the handler.
func (a *functionAccount) Token(ctx context.Context) (iamclient.Token, error) {
	t, err := a.tokens.Token(ctx)
	if err != nil {
		return iamclient.Token{}, iam.Wrap(err, iam.Unavailable, "there is no token at the moment")
	}
	a.log.Hide(t.Text)
	return t, nil
}

// AccessKey implements source.Account: a function's metadata address has none
// [API fact: functions, metadata options].
func (a *functionAccount) AccessKey(context.Context) (iamclient.AccessKey, error) {
	return iamclient.AccessKey{}, source.ErrNoAccount
}

// functionMetadata is the metadata address of one function, on a port of its own.
type functionMetadata struct {
	address string
	server  *http.Server
}

// startFunctionMetadata serves an account's tokens, or nobody's: a function
// without an account finds none, though the machine itself may have one.
func startFunctionMetadata(account *functionAccount, now func() time.Time) (*functionMetadata, error) {
	c := metadata.Config{Name: "function", Function: true, Now: now}
	if account != nil {
		c.Accounts = func(*http.Request, netip.Addr) (source.Account, error) { return account, nil }
	}
	door, err := metadata.New(c)
	if err != nil {
		return nil, err
	}
	listener, err := listenForFunction("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &functionMetadata{listener.Addr().String(), &http.Server{Handler: door, ReadHeaderTimeout: functionHeaderTime, IdleTimeout: functionIdle, MaxHeaderBytes: functionHeaders}}
	go func() { _ = m.server.Serve(listener) }()
	return m, nil
}

// environ is how clients find the address [client fact: metadata clients].
func (m *functionMetadata) environ() []string {
	return []string{"YC_METADATA_ADDR=" + m.address, "GCE_METADATA_HOST=" + m.address}
}

// Close ends it at once.
func (m *functionMetadata) Close() { _ = m.server.Close() }
