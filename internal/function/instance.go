package function

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"time"
)

// instance is a process that answers one call after the other, which come and
// leave through pipes of their own: what a handler prints cannot be taken for an
// answer.
type instance struct {
	*process
	calls   *os.File
	answers *os.File
	reader  *bufio.Reader
	last    string // id of the call before
	late    bool   // it has answered that one more than once
}

func (r *Runner) start() (*instance, error) {
	callsIn, callsOut, err := os.Pipe()
	if err != nil {
		return nil, broken(err)
	}
	answersIn, answersOut, err := os.Pipe()
	if err != nil {
		_, _ = callsIn.Close(), callsOut.Close()
		return nil, broken(err)
	}
	p, err := r.spawn(r.command, r.environ(), nil, nil, callsIn, answersOut)
	if err != nil {
		_, _ = callsOut.Close(), answersIn.Close()
		return nil, err
	}
	return &instance{process: p, calls: callsOut, answers: answersIn, reader: bufio.NewReader(answersIn)}, nil
}

func (i *instance) kill() {
	i.process.kill()
	i.close()
}

func (i *instance) end() {
	i.process.end()
	i.close()
}

func (i *instance) close() { _, _ = i.calls.Close(), i.answers.Close() }

// head comes before an answer.
type head struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Length int    `json:"length"`
}

// exchange has the process answer a call. healthy is whether it may get another.
func (i *instance) exchange(ctx context.Context, t *told, event []byte) (answer []byte, healthy bool, err error) {
	var call bytes.Buffer
	if err := json.NewEncoder(&call).Encode(struct { // with the line's end
		Context *told `json:"context"`
		Length  int   `json:"length"`
	}{t, len(event)}); err != nil {
		return nil, true, broken(err)
	}
	call.Write(event)
	stop := context.AfterFunc(ctx, func() { _, _ = i.calls.SetWriteDeadline(past), i.answers.SetReadDeadline(past) })
	done := make(chan struct{})
	defer close(done)
	go func() { // a process that it left behind may hold the pipe open
		select {
		case <-i.ended:
			_ = i.answers.SetReadDeadline(time.Now().Add(lastWords))
		case <-done:
		}
	}()
	// A handler's process that ends before it has read the whole call may have answered.
	_, werr := i.calls.Write(call.Bytes())
	h, body, err := i.readFresh(t.RequestID)
	healthy = stop() && werr == nil && !i.late // otherwise the pipes are of no more use
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, false, ctx.Err()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		i.process.kill()
		return nil, false, i.outcome()
	case err != nil:
		return nil, false, err
	case h.Kind != "answer":
		return nil, healthy && h.Kind == "error", failureOf(body)
	}
	return body, healthy, nil
}

var past = time.Unix(1, 0)

// readFresh reads the answer to a call. What the process has answered besides to
// the call before is no fault of this one, and makes the process unfit for the next.
func (i *instance) readFresh(id string) (head, []byte, error) {
	for {
		h, body, err := i.read(id)
		if err != nil || h.ID == id {
			i.last, i.late = id, i.late || i.reader.Buffered() > 0
			return h, body, err
		}
		i.late = true
	}
}

// read reads one answer, to a call or to the one before. Its errors are the
// pipe's and *Failure.
func (i *instance) read(id string) (head, []byte, error) {
	var h head
	line, err := i.reader.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return h, nil, err
	}
	garbled := &Failure{Status: 502, Own: true, Type: "RuntimeError", Message: "the handler's process answers what nobody asked"}
	if err != nil || json.Unmarshal(line, &h) != nil || h.ID != id && (h.ID != i.last || h.ID == "") || !slices.Contains([]string{"answer", "error", "fatal"}, h.Kind) || h.Length < 0 {
		return h, nil, garbled
	}
	if h.Length > mostBytes {
		return h, nil, tooLarge(mostBytes)
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(i.reader, body); err != nil {
		return h, nil, err
	}
	return h, body, nil
}
