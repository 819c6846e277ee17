//go:build !linux

package metadata

import "syscall"

const (
	errAddressElsewhere = syscall.EADDRNOTAVAIL
	errAddressTaken     = syscall.EADDRINUSE
)

// onlyFrom is nil: there is no way here.
func onlyFrom(string) func(network, address string, c syscall.RawConn) error { return nil }
