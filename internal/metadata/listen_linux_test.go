package metadata_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/metadata"
)

// A listener that is kept to an interface serves who comes by it.
func TestInterface(t *testing.T) {
	_, address := serve(t, full(t), metadata.ServerConfig{Interfaces: []string{"lo"}})
	answer := speak(t, address, "GET /computeMetadata/v1/instance/id HTTP/1.1\r\nHost: "+address+"\r\nMetadata-Flavor: Google\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200 "+http.StatusText(200)) || !strings.HasSuffix(answer, "epd1") {
		t.Errorf("%q", answer)
	}
}

// A listener without interfaces stands beside one that has some.
func TestSharedAddress(t *testing.T) {
	_, address := serve(t, full(t), metadata.ServerConfig{Shared: true})
	if answer := speak(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\nMetadata-Flavor: Google\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Errorf("%q", answer)
	}
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 {
			serve(t, full(t), metadata.ServerConfig{Address: address, Interfaces: []string{i.Name}})
			return
		}
	}
	t.Error("this machine has no interface but loopback")
}
