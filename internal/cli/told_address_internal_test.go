package cli

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// TestToldAddress: a server without TLS on this machine may say that a service
// is elsewhere; a token goes there by TLS all the same.
func TestToldAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	first := make(chan byte, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		if b, err := in.ReadByte(); err == nil {
			first <- b
		}
	}()
	s := &session{env: &Environment{Environ: []string{"HTTPS_PROXY=http://" + listener.Addr().String()}}, plaintext: true}
	defer s.close()
	conn, err := s.dial("192.0.2.1:443")
	if err != nil {
		t.Fatal(err)
	}
	conn.Connect()
	const clientHello = 0x16 // RFC 8446 section 5.1: a handshake record
	if b := <-first; b != clientHello {
		t.Errorf("it begins with %q", b)
	}
}

// TestDeniedIsNotMissing: what an id is refused for is told, and nothing that
// happens to have the id as its name is taken instead.
func TestDeniedIsNotMissing(t *testing.T) {
	const id = "aje00000000000000000"
	server := newAnyServer(t, func(method string, request proto.Message) (proto.Message, error) {
		if _, ok := request.(*iampb.ListServiceAccountsRequest); ok {
			return &iampb.ListServiceAccountsResponse{ServiceAccounts: []*iampb.ServiceAccount{{Id: "aje1", Name: id}}}, nil
		}
		return nil, status.Error(codes.PermissionDenied, "not yours")
	})
	_, stderr, code := server.run(t, Environment{}, "iam", "service-account", "delete", id)
	if code != exitFailed || !strings.Contains(stderr, "not yours") || len(server.asked) != 1 {
		t.Errorf("%d, asked %d, %q", code, len(server.asked), stderr)
	}
}
