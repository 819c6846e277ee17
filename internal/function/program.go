package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// runProgram runs a program for one call: the event is its standard input, what
// it writes to standard output the answer. Its context is in the environment, as
// far as that is no secret, and whole in the file that $PROPUSK_CONTEXT names, a
// pipe that can be read once. A program that fails, or answers too much, is told
// of as a Bash function's script is [API fact: Bash errors].
func (r *Runner) runProgram(ctx context.Context, t *told, event []byte) ([]byte, error) {
	p, pipes, err := r.startProgram(t)
	if err != nil {
		return nil, err
	}
	defer pipes.close()
	defer p.kill() // and whatever it left behind
	stop := context.AfterFunc(ctx, func() { pipes.deadline(past) })
	defer stop()
	text, err := json.Marshal(t)
	if err != nil {
		return nil, broken(err)
	}
	go func() { _, _ = pipes.context.Write(text); _ = pipes.context.Close() }()
	go func() { _, _ = pipes.stdin.Write(event); _ = pipes.stdin.Close() }()
	go func() {
		<-p.ended
		_ = pipes.stdout.SetReadDeadline(time.Now().Add(lastWords))
	}()
	answer, err := io.ReadAll(io.LimitReader(pipes.stdout, mostProgramBytes+1))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(answer) > mostProgramBytes:
		f := tooLarge(mostProgramBytes)
		f.Type = "BashScriptReadOutputError"
		return nil, f
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return nil, broken(err)
	}
	select {
	case <-p.ended:
	case <-ctx.Done(): // it has closed its standard output and goes on
		return nil, ctx.Err()
	}
	if !p.cmd.ProcessState.Success() {
		r.f.Log.printf("%s\n", bytes.TrimRight(answer, "\n"))
		f := p.outcome()
		f.Type = "BashScriptExecutionError"
		return nil, f
	}
	return answer, nil
}

// programPipes are our ends.
type programPipes struct{ stdin, stdout, context *os.File }

func (p *programPipes) deadline(t time.Time) {
	_, _, _ = p.stdin.SetWriteDeadline(t), p.stdout.SetReadDeadline(t), p.context.SetWriteDeadline(t)
}

func (p *programPipes) close() { _, _, _ = p.stdin.Close(), p.stdout.Close(), p.context.Close() }

func (r *Runner) startProgram(t *told) (*process, *programPipes, error) {
	var theirs, ours []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			_ = f.Close()
		}
	}
	for range 3 {
		in, out, err := os.Pipe()
		if err != nil {
			closeAll(append(theirs, ours...))
			return nil, nil, broken(err)
		}
		theirs, ours = append(theirs, in), append(ours, out)
	}
	theirs[1], ours[1] = ours[1], theirs[1] // what it writes is read here
	p, err := r.spawn(r.command, r.environ("REQUEST_ID="+t.RequestID, envContext+"=/dev/fd/3"), theirs[0], theirs[1], theirs[2])
	if err != nil {
		closeAll(ours)
		return nil, nil, err
	}
	return p, &programPipes{ours[0], ours[1], ours[2]}, nil
}
