package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// client is one keep-alive connection to a server.
type client interface {
	// exchange sends the JWT of that number and fails unless a token comes back.
	exchange(ctx context.Context, number int) error
	close()
}

// door is a way into a server for a set of JWTs.
type door struct {
	name string // "REST" or "gRPC"
	dial func() (client, error)
}

// answerTime bounds one exchange; a server that hangs ends the measurement.
const answerTime = 10 * time.Second

// restDoor speaks HTTP/1.1 by hand: a client of net/http would take more of the
// machine than the servers do.
func restDoor(address string, jwts []string) door {
	requests := make([][]byte, len(jwts))
	for i, jwt := range jwts {
		body := `{"jwt":"` + jwt + `"}`
		requests[i] = fmt.Appendf(nil, "POST /iam/v1/tokens HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(body), body)
	}
	return door{"REST", func() (client, error) {
		conn, err := net.DialTimeout("tcp", address, answerTime)
		if err != nil {
			return nil, err
		}
		return &restClient{conn: conn, in: bufio.NewReader(conn), requests: requests}, nil
	}}
}

type restClient struct {
	conn     net.Conn
	in       *bufio.Reader
	requests [][]byte
	body     []byte
}

func (c *restClient) close() { c.conn.Close() }

func (c *restClient) exchange(_ context.Context, number int) error {
	if err := c.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.requests[number]); err != nil {
		return err
	}
	return c.readAnswer()
}

// readAnswer takes answers with a Content-Length only, which both servers give.
func (c *restClient) readAnswer() error {
	status, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	good := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
		}
	}
	if length < 0 || length > 1<<20 {
		return fmt.Errorf("answer without a usable Content-Length")
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return err
	}
	if !good || !bytes.Contains(c.body, []byte(`"iamToken":"t1.`)) {
		return fmt.Errorf("answer without a token: %.300s", c.body)
	}
	return nil
}

func grpcDoor(address string, jwts []string) door {
	return door{"gRPC", func() (client, error) {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		return &grpcClient{conn: conn, calls: iampb.NewIamTokenServiceClient(conn), jwts: jwts}, nil
	}}
}

type grpcClient struct {
	conn  *grpc.ClientConn
	calls iampb.IamTokenServiceClient
	jwts  []string
}

func (c *grpcClient) close() { c.conn.Close() }

func (c *grpcClient) exchange(ctx context.Context, number int) error {
	answer, err := c.calls.Create(ctx, &iampb.CreateIamTokenRequest{
		Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: c.jwts[number]}})
	if err == nil && answer.GetIamToken() == "" {
		err = fmt.Errorf("answer without a token")
	}
	return err
}
