package postgres_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// fullQueue stands between a node and the server and answers a commit with a
// NOTIFY as a server does whose queue of notifications is full.
type fullQueue struct {
	server  string
	refused atomic.Int64
}

func (q *fullQueue) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", q.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(client, server) }()
	buffer := make([]byte, 1<<16)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if bytes.Contains(buffer[:n], []byte("NOTIFY ")) {
			q.refused.Add(1)
			fields := "SERROR\x00VERROR\x00C54000\x00Mtoo many notifications in the NOTIFY queue\x00\x00"
			answer := binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields)))
			answer = append(append(answer, fields...), 'Z', 0, 0, 0, 5, 'E')
			if _, err := client.Write(answer); err != nil {
				return
			}
			continue
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// TestQueueOfNotificationsIsFull: others are only woken by notifications, so
// that there is no room for one keeps no change from being made.
func TestQueueOfNotificationsIsFull(t *testing.T) {
	s := pgtest.Shared(t)
	_, database := cluster(t, s, 1)
	q := &fullQueue{server: "127.0.0.1:" + strconv.Itoa(s.Port)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go q.serve(client)
		}
	}()
	db := store.New(open(t, s.URLAt(l.Addr().String(), database)), store.Options{})
	t.Cleanup(func() { _ = db.Close() })
	for _, id := range []string{"x", "y", "z"} {
		if err := db.Update(t.Context(), insertAccount(id)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if n := q.refused.Load(); n != 1 {
		t.Errorf("%d commits tried to notify, want 1", n)
	}
}
