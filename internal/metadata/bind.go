package metadata

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// everywhere is no interface: a socket that hears all of them.
const everywhere = ""

// listeners binds the address, once for each interface. What it has bound when
// it fails is the caller's to close.
func listeners(ctx context.Context, c ServerConfig, log *slog.Logger) ([]net.Listener, error) {
	switch {
	case slices.Contains(c.Interfaces, everywhere): // a name that is missing would open the address to all
		return nil, iam.InvalidField("interfaces", "there is an interface without a name")
	case len(c.Interfaces) > 0:
	case c.Shared:
		name, err := loopback()
		if err != nil {
			return nil, err
		}
		c.Interfaces = []string{name}
	default:
		l, err := bind(ctx, c.Address, everywhere)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	var all []net.Listener
	for _, name := range c.Interfaces {
		l, err := bindLasting(ctx, c.Address, name, log.With("listener", c.Name, "interface", name))
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	return all, nil
}

// loopback is the name of the interface by which a machine speaks to itself.
func loopback() (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", iam.Wrap(err, iam.FailedPrecondition, "the network interfaces of this machine cannot be listed")
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name, nil
		}
	}
	return "", iam.Errorf(iam.FailedPrecondition, "this machine has no loopback interface")
}

func bind(ctx context.Context, address, from string) (net.Listener, error) {
	config := net.ListenConfig{}
	if from != everywhere {
		if _, err := net.InterfaceByName(from); err != nil {
			return nil, iam.Wrap(err, iam.FailedPrecondition, "there is no network interface %s on this machine", from)
		}
		if config.Control = onlyFrom(from); config.Control == nil {
			return nil, iam.Errorf(iam.FailedPrecondition, "this system cannot keep a listener to interface %s: that needs Linux", from)
		}
	}
	host, port, _ := net.SplitHostPort(address)
	network := "tcp"
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		network = "tcp4" // 0.0.0.0 is no word for IPv6
	}
	l, err := config.Listen(ctx, network, address)
	if err == nil {
		return l, nil
	}
	switch {
	case errors.Is(err, errAddressElsewhere):
		return nil, iam.Wrap(err, iam.FailedPrecondition,
			"%s is no address of this machine; to give it to the machine: ip addr add %s dev lo", host, single(host))
	case errors.Is(err, os.ErrPermission):
		return nil, iam.Wrap(err, iam.FailedPrecondition,
			"this user may not listen on port %s: run as root, give the program the capability CAP_NET_BIND_SERVICE (and CAP_NET_RAW for interfaces), or choose a port above 1023", port)
	case errors.Is(err, errAddressTaken):
		return nil, iam.Wrap(err, iam.FailedPrecondition, "another program listens on %s already", address)
	}
	return nil, iam.Wrap(err, iam.FailedPrecondition, "cannot listen on %s", address)
}

// single is an address as a network of its own.
func single(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return host + "/128"
	}
	return host + "/32"
}

// lookAtInterface is how often a lasting listener looks whether its interface is
// still the one that it is bound to.
const lookAtInterface = 2 * time.Second

// lasting is a listener at an interface that may be deleted and made anew under
// its name, as bridges are. The system takes that for another interface, by which
// the socket would hear nothing, without a word.
type lasting struct {
	from  string
	index func(name string) (int, error) // what the system calls the interface now
	log   *slog.Logger
	end   context.CancelFunc

	mu     sync.Mutex
	bound  int // by its index
	now    net.Listener
	closed bool
}

func indexOf(name string) (int, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	return i.Index, nil
}

func bindLasting(ctx context.Context, address, from string, log *slog.Logger) (net.Listener, error) {
	index, _ := indexOf(from) // before it is bound: what changes in between is seen later; what is missing, bind says
	first, err := bind(ctx, address, from)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	l := &lasting{from: from, index: indexOf, log: log, end: end, bound: index, now: first}
	go l.watch(ctx)
	return l, nil
}

func (l *lasting) watch(ctx context.Context) {
	again := time.NewTicker(lookAtInterface)
	defer again.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		err := l.look(ctx)
		if err != nil && !failed {
			l.log.Error("the interface has been made anew, and its clients are not heard", "error", err)
		}
		failed = err != nil
	}
}

// look binds anew when the interface has become another one.
func (l *lasting) look(ctx context.Context) error {
	index, err := l.index(l.from)
	if err != nil || index == l.bound {
		return nil // by an interface that is gone nobody comes, until it is back
	}
	fresh, err := bind(ctx, l.Addr().String(), l.from)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fresh.Close()
	}
	_ = l.now.Close()
	l.now, l.bound = fresh, index
	l.log.Info("the interface has been made anew, and is listened at again")
	return nil
}

// Accept implements net.Listener.
func (l *lasting) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		now, closed := l.now, l.closed
		l.mu.Unlock()
		c, err := now.Accept()
		if err == nil || closed || !errors.Is(err, net.ErrClosed) {
			return c, err
		}
	}
}

// Close implements net.Listener.
func (l *lasting) Close() error {
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.now.Close()
}

// Addr implements net.Listener.
func (l *lasting) Addr() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now.Addr()
}
