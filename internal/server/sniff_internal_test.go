package server

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

func TestSilentClientsHoldUpNobody(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := OpenDevCA(t.TempDir(), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	const wait = 300 * time.Millisecond
	l := listenBoth(inner, ca.TLSConfig(), wait)
	defer l.Close()
	var silent []net.Conn
	for range 50 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	speaker, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer speaker.Close()
	began := time.Now()
	if _, err := speaker.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if took := time.Since(began); took > wait {
		t.Errorf("accepted after %s", took)
	}
	if _, ok := conn.(*tls.Conn); ok {
		t.Error("plaintext taken for TLS")
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	for _, conn := range silent {
		_ = conn.SetReadDeadline(time.Now().Add(10 * wait))
		if _, err := conn.Read(got); err != io.EOF {
			t.Fatalf("a silent client is answered %v", err)
		}
	}
}

func TestSniffKnowsTLS(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := OpenDevCA(t.TempDir(), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	l := listenBoth(inner, ca.TLSConfig(), time.Second)
	go tls.Dial("tcp", inner.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	encrypted, ok := conn.(*tls.Conn)
	if !ok {
		t.Fatalf("%T, want *tls.Conn", conn)
	}
	if err := encrypted.Handshake(); err != nil {
		t.Error(err)
	}
	conn.Close()
	l.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}

func TestClosingTheListenerClosesWhoIsPending(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := listenBoth(inner, &tls.Config{}, time.Minute)
	silent, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	unclaimed, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer unclaimed.Close()
	_, _ = unclaimed.Write([]byte("x"))
	time.Sleep(20 * time.Millisecond)
	l.Close()
	for name, conn := range map[string]net.Conn{"silent": silent, "unclaimed": unclaimed} {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := conn.Read(make([]byte, 1))
		if n, ok := err.(net.Error); err == nil || ok && n.Timeout() {
			t.Errorf("%s: %v", name, err)
		}
	}
}
