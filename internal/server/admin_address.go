package server

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// maxSocketPath is what every system takes: sockaddr_un has 104 bytes on BSD
// and macOS and 108 on Linux, the closing zero among them.
const maxSocketPath = 103

// socketAddress is a spelling of the socket's path that fits into a socket
// address, whatever the length of the data folder's. It holds until release.
func socketAddress(data string) (address string, release func(), err error) {
	nothing := func() {}
	path := filepath.Join(data, AdminSocket)
	if len(path) <= maxSocketPath {
		return path, nothing, nil
	}
	if wd, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(wd, path); err == nil && len(short) <= maxSocketPath {
			return short, nothing, nil
		}
	}
	if runtime.GOOS == "linux" {
		folder, err := os.Open(data)
		if err != nil {
			return "", nil, fmt.Errorf("data folder: %w", err)
		}
		return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), AdminSocket), func() { folder.Close() }, nil
	}
	return "", nil, fmt.Errorf("the path %s is too long for a socket: %d bytes of at most %d; choose a shorter data folder", path, len(path), maxSocketPath)
}
