//go:build linux || freebsd || netbsd || openbsd || dragonfly

package profile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// The Secret Service of freedesktop.org, draft 0.2, spoken as it stands there.
// The library for all systems would start a bus, open dialogs and wait for ever.
const (
	secretBus        = "org.freedesktop.secrets"
	secretPath       = dbus.ObjectPath("/org/freedesktop/secrets")
	secretService    = "org.freedesktop.Secret.Service."
	secretCollection = "org.freedesktop.Secret.Collection."
	secretItem       = "org.freedesktop.Secret.Item."
	nowhere          = dbus.ObjectPath("/")

	busLimit     = 500 * time.Millisecond // to tell whether there is a service
	serviceLimit = 3 * time.Second        // for a call: it may be started by the first
)

// ringByDefault is what auto means here.
const ringByDefault = true

type secretRing struct {
	conn       *dbus.Conn
	session    dbus.ObjectPath
	collection dbus.ObjectPath
}

// secret is the Secret struct of the service's interface.
type secret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// systemRing opens the keyring of the session that the environment names. A bus
// is neither started nor looked for.
func systemRing(variable func(string) string) (ring, error) {
	address := variable("DBUS_SESSION_BUS_ADDRESS")
	if !strings.HasPrefix(address, "unix:") {
		return nil, errNoKeyring
	}
	conn, err := connect(address)
	if err != nil {
		return nil, err
	}
	return &secretRing{conn: conn}, nil
}

func connect(address string) (*dbus.Conn, error) {
	type outcome struct {
		conn *dbus.Conn
		err  error
	}
	got := make(chan outcome, 1)
	go func() {
		conn, err := dbus.Connect(address)
		got <- outcome{conn, err}
	}()
	select {
	case o := <-got:
		if o.err != nil { // no bus: a session that has ended
			return nil, errNoKeyring
		}
		return o.conn, nil
	case <-time.After(busLimit):
		go func() {
			if o := <-got; o.err == nil {
				_ = o.conn.Close()
			}
		}()
		return nil, errors.New("the session's bus does not answer")
	}
}

// begin finds out whether there is a service that keeps new secrets.
func (r *secretRing) begin() error {
	ctx, cancel := context.WithTimeout(context.Background(), busLimit)
	defer cancel()
	var there bool
	if err := r.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, secretBus).Store(&there); err != nil {
		return fmt.Errorf("ask the session's bus for a keyring: %w", err)
	}
	if !there {
		var startable []string
		if err := r.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.ListActivatableNames", 0).Store(&startable); err != nil || !slices.Contains(startable, secretBus) {
			return errNoKeyring
		}
	}
	if err := r.call(secretPath, secretService+"ReadAlias", []any{"default"}, &r.collection); err != nil {
		return err
	}
	if r.collection == nowhere {
		return errNoKeyring
	}
	return r.openSession()
}

// openSession opens a session, in which secrets travel as they are: over a
// socket of this machine.
func (r *secretRing) openSession() error {
	if r.session != "" {
		return nil
	}
	var output dbus.Variant
	return r.call(secretPath, secretService+"OpenSession", []any{"plain", dbus.MakeVariant("")}, &output, &r.session)
}

// call calls a method and stores what it answers.
func (r *secretRing) call(path dbus.ObjectPath, method string, args []any, into ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), serviceLimit)
	defer cancel()
	err := r.conn.Object(secretBus, path).CallWithContext(ctx, method, 0, args...).Store(into...)
	var refused dbus.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the system's keyring does not answer")
	case errors.As(err, &refused) && refused.Name == "org.freedesktop.Secret.Error.IsLocked":
		return errLocked
	case errors.As(err, &refused) && refused.Name == "org.freedesktop.DBus.Error.ServiceUnknown":
		return errNoKeyring
	}
	return fmt.Errorf("the system's keyring: %q", err.Error()) // whoever is there has written it
}

func attributes(item string) map[string]string {
	return map[string]string{"application": "propusk", "item": item}
}

func (r *secretRing) find(item string) ([]dbus.ObjectPath, error) {
	var found, locked []dbus.ObjectPath
	err := r.call(secretPath, secretService+"SearchItems", []any{attributes(item)}, &found, &locked)
	switch {
	case err != nil:
		return nil, err
	case len(found) > 0:
		return found, nil
	case len(locked) > 0:
		return nil, errLocked
	}
	return nil, errNoItem
}

// get asks for a session and for the item at once: this is on the way of every
// command.
func (r *secretRing) get(item string) ([]byte, error) {
	opened := make(chan error, 1)
	go func() { opened <- r.openSession() }()
	found, err := r.find(item)
	if oerr := <-opened; err == nil {
		err = oerr
	}
	if errors.Is(err, errNoItem) && r.isLocked() { // one that hides what it has while it is locked
		return nil, errLocked
	}
	if err != nil {
		return nil, err
	}
	var s secret
	if err := r.call(found[0], secretItem+"GetSecret", []any{r.session}, &s); err != nil {
		if _, gone := r.find(item); errors.Is(gone, errNoItem) { // another process has just put a new one in its place
			err = errNoItem
		}
		return nil, err
	}
	return s.Value, nil
}

func (r *secretRing) isLocked() bool {
	if r.collection == "" && r.begin() != nil {
		return false
	}
	var locked dbus.Variant
	err := r.call(r.collection, "org.freedesktop.DBus.Properties.Get", []any{strings.TrimSuffix(secretCollection, "."), "Locked"}, &locked)
	is, ok := locked.Value().(bool)
	return err == nil && ok && is
}

func (r *secretRing) put(item, label string, value []byte) error {
	if err := r.begin(); err != nil {
		return err
	}
	if r.isLocked() {
		return errLocked
	}
	var made, prompt dbus.ObjectPath
	properties := map[string]dbus.Variant{secretItem + "Label": dbus.MakeVariant(label), secretItem + "Attributes": dbus.MakeVariant(attributes(item))}
	err := r.call(r.collection, secretCollection+"CreateItem", []any{properties, secret{r.session, nil, value, "application/json"}, true}, &made, &prompt)
	if err == nil && prompt != nowhere {
		err = errLocked
	}
	return err
}

func (r *secretRing) drop(item string) error {
	found, err := r.find(item)
	for _, path := range found {
		var prompt dbus.ObjectPath
		err = errors.Join(err, r.call(path, secretItem+"Delete", nil, &prompt))
	}
	return err
}
