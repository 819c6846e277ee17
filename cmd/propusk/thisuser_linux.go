package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// onlyThisUser drops connections on loopback that another user of the machine has
// opened, root excepted: a port on loopback is everybody's, and what answers there
// is one person's. Where the kernel does not tell who that is, it lets them in.
func onlyThisUser(l net.Listener) net.Listener { return &ownListener{l} }

type ownListener struct{ net.Listener }

// Accept implements net.Listener.
func (l *ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || ofThisUser(c) {
			return c, err
		}
		_ = c.Close()
	}
}

func ofThisUser(c net.Conn) bool {
	client, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return false
	}
	server, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return false
	}
	for try := 1; ; try++ {
		own, found, known := ownerOf(client, server)
		if found || !known {
			return own || !known
		}
		if try == ownerTries { // its program has closed it
			return false
		}
		time.Sleep(ownerPause)
	}
}

// A table that changes while it is read may leave a connection out.
const (
	ownerTries = 3
	ownerPause = time.Millisecond
)

// ownerOf tells whether the socket is this user's; whether the kernel's tables
// have it; and whether there are tables.
func ownerOf(client, server netip.AddrPort) (own, found, known bool) {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue
		}
		uid, found := socketOwner(file, client, server)
		_ = file.Close()
		if found {
			return uid == os.Geteuid() || uid == 0, true, true
		}
		known = true
	}
	return false, false, known
}

// established is the one state in which the kernel is sure to know a socket's
// owner: one that its program has closed seems to be root's.
const established = "01"

// socketOwner finds who has opened the socket at one end of a connection in a
// table as /proc/net/tcp is.
func socketOwner(table io.Reader, from, to netip.AddrPort) (uid int, found bool) {
	local, remote := socketForms(from), socketForms(to)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) > 7 && slices.Contains(local, f[1]) && slices.Contains(remote, f[2]) && f[3] == established {
			uid, err := strconv.Atoi(f[7])
			return uid, err == nil
		}
	}
	return 0, false
}

// socketForms are the ways in which the kernel's tables write an address: each
// word of four bytes as the machine holds it.
func socketForms(a netip.AddrPort) []string {
	var out []string
	whole := a.Addr().As16()
	for _, addr := range [][]byte{a.Addr().Unmap().AsSlice(), whole[:]} {
		text := ""
		for word := range slices.Chunk(addr, 4) {
			text += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(word))
		}
		out = append(out, fmt.Sprintf("%s:%04X", text, a.Port()))
	}
	return out
}
