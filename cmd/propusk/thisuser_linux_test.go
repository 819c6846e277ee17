package main

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestThisUser: whose connection it is, by the kernel's own tables.
func TestThisUser(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if !ofThisUser(s) {
			t.Errorf("%s: own connection is another's", address)
		}
		table := "/proc/self/net/tcp"
		if strings.HasPrefix(address, "[") {
			table += "6"
		}
		file, err := os.Open(table)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		uid, found := socketOwner(file, netip.MustParseAddrPort(c.LocalAddr().String()), netip.MustParseAddrPort(c.RemoteAddr().String()))
		if uid != os.Geteuid() || !found {
			t.Errorf("%s: owner %d, %v", address, uid, found)
		}
	}
}

// TestFunctionListener: another user's connection is dropped, where a function is
// called and where its tokens are.
func TestFunctionListener(t *testing.T) {
	l, err := listenForFunction("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, ok := l.(*ownListener); !ok {
		t.Errorf("%T is everybody's", l)
	}
	if os.Geteuid() != 0 { // nobody can be another one; the tables are tried below
		return
	}
	other := exec.Command("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$1; read -t 10 line <&3; echo \"$?:$line\"", "bash", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	other.SysProcAttr, other.Dir = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, "/"
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = c.Write([]byte("secret\n"))
			_ = c.Close()
		}
		accepted <- err
	}()
	if out, err := other.CombinedOutput(); err != nil || string(out) != "1:\n" {
		t.Errorf("another user's connection: %q, %v", out, err)
	}
	_ = l.Close()
	if err := <-accepted; err == nil {
		t.Error("it was let in")
	}
}

func TestSocketOwner(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 2
   2: 0100007F:C002 0100007F:1F90 04 00000000:00000000 00:00000000 00000000     0        0 0
   3: 0000000000000000FFFF00000100007F:C003 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1003        0 4
   broken
`
	server := netip.MustParseAddrPort("127.0.0.1:8080")
	for port, want := range map[uint16]int{0xC001: 1001, 0xC002: -1, 0xC003: 1003, 0xC004: -1} {
		uid, found := socketOwner(strings.NewReader(table), netip.AddrPortFrom(server.Addr(), port), server)
		if !found {
			uid = -1
		}
		if uid != want {
			t.Errorf("port %x: %d, want %d", port, uid, want)
		}
	}
}
