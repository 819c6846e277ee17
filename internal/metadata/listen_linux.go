package metadata

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	errAddressElsewhere = unix.EADDRNOTAVAIL
	errAddressTaken     = unix.EADDRINUSE
)

// onlyFrom keeps a socket to what arrives by one network interface.
func onlyFrom(name string) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), name) }); err != nil {
			return err
		}
		return failed
	}
}
