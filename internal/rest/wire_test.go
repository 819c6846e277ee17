package rest_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the answers into testdata/wire")

// TestWire holds conversations in testdata/wire: each file has pairs of
// "name.request" and "name.response". A request is sent as it is written, with
// Host and, where a body follows, Content-Length added; "Body: quoted" says
// that the body is a Go string literal. A response shows headers in lower case
// and sorted, without the date, and random ids as <uuid>.
func TestWire(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	server := httptest.NewServer(newDoor(t))
	defer server.Close()
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			converse(t, file, server.Listener.Addr().String())
		})
	}
}

func converse(t *testing.T, file, addr string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := txtar.Archive{Comment: ar.Comment}
	want := map[string]string{}
	for _, f := range ar.Files {
		want[f.Name] = string(f.Data)
	}
	for _, f := range ar.Files {
		name, ok := strings.CutSuffix(f.Name, ".request")
		if !ok {
			continue
		}
		got := exchange(t, addr, string(f.Data))
		out.Files = append(out.Files, f, txtar.File{Name: name + ".response", Data: []byte(got)})
		if diff := cmp.Diff(want[name+".response"], got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(&out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func exchange(t *testing.T, addr, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write(wireForm(t, text)); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return render(res, body)
}

func wireForm(t *testing.T, text string) []byte {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	var b bytes.Buffer
	framed := body == ""
	for i, line := range strings.Split(strings.TrimSuffix(head, "\n"), "\n") {
		if line == "Body: quoted" {
			var err error
			if body, err = strconv.Unquote(body); err != nil {
				t.Fatalf("body is no Go string: %v", err)
			}
			continue
		}
		lower := strings.ToLower(line)
		framed = framed || strings.HasPrefix(lower, "content-length:") || strings.HasPrefix(lower, "transfer-encoding:")
		b.WriteString(line + "\r\n")
		if i == 0 {
			b.WriteString("Host: localhost\r\nConnection: close\r\n")
		}
	}
	if !framed {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

func render(res *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", res.Proto, res.Status)
	var lines []string
	for name, values := range res.Header {
		for _, v := range values {
			if name != "Date" && name != "Content-Length" {
				lines = append(lines, strings.ToLower(name)+": "+v+"\n")
			}
		}
	}
	sort.Strings(lines)
	fmt.Fprintf(&b, "%s\n%s\n", strings.Join(lines, ""), body)
	return uuid.ReplaceAllString(strings.ReplaceAll(strings.ReplaceAll(b.String(), requestID, "<request-id>"), traceID, "<trace-id>"), "<uuid>")
}
