//go:build unix

package compat_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
)

// sent is a request as it went over the wire.
type sent struct {
	Method  string      `json:"method"`
	Target  string      `json:"target"`
	Headers [][2]string `json:"headers"`
	Payload string      `json:"payload_sha256"`
}

func (s *sent) asked() *credential.HTTPRequest {
	r := &credential.HTTPRequest{Method: s.Method, Target: s.Target, PayloadSHA256: s.Payload}
	for _, h := range s.Headers {
		r.Header = append(r.Header, credential.HeaderField{Name: h[0], Value: h[1]})
	}
	return r
}

// read demands that we read of the whole request what its signer has signed:
// the same string to sign, made without knowing the signer's.
func (s signed) read(t *testing.T, keyID string) {
	t.Helper()
	got, err := credential.ReadRequest(s.Request.asked(), time.Now())
	if err != nil {
		t.Errorf("%s %s: %v", s.Request.Method, s.Request.Target, err)
		return
	}
	if got.StringToSign != s.StringToSign || got.Signature != s.Signature || got.AccessKeyID != keyID || got.SessionToken != s.Token ||
		got.V2 != s.V2 || s.V2 == "" && (got.Service != s.Service || got.Region != s.Region || !got.SignedAt.Equal(s.SignedAt)) {
		t.Errorf("%s %s: read\n%s, want\n%s", s.Request.Method, s.Request.Target, got.StringToSign, s.StringToSign)
	}
}

// claim is what a service that has got the request would ask about it.
func (s *sent) claim(t *testing.T) signed {
	t.Helper()
	got, err := credential.ReadRequest(s.asked(), time.Now())
	if err != nil {
		t.Errorf("%s %s: %v", s.Method, s.Target, err)
	}
	return signed{StringToSign: got.StringToSign, Signature: got.Signature, SignedAt: got.SignedAt, Service: got.Service, Region: got.Region,
		V2: got.V2, Token: got.SessionToken, Request: s}
}

// recorder listens for requests, keeps them as they came, and answers each with
// an empty page after that.
func recorder(t *testing.T) (address string, requests <-chan *sent) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	kept := make(chan *sent, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(runLimit))
			if one, err := record(conn); err == nil && len(kept) < cap(kept) {
				kept <- one
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
			conn.Close()
		}
	}()
	return listener.Addr().String(), kept
}

// record reads one request of HTTP/1.1, without cleaning anything.
func record(conn io.Reader) (*sent, error) {
	lines := textproto.NewReader(bufio.NewReader(conn))
	first, err := lines.ReadLine()
	if err != nil {
		return nil, err
	}
	one := &sent{}
	one.Method, first, _ = strings.Cut(first, " ")
	one.Target, _, _ = strings.Cut(first, " ")
	length := 0
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		one.Headers = append(one.Headers, [2]string{name, value})
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return nil, err
			}
		}
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, lines.R, int64(length)); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(body.Bytes())
	one.Payload = hex.EncodeToString(digest[:])
	return one, nil
}
